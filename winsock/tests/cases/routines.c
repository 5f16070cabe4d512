/* Completion routines: which thread, when, in which order, what they get. (traps 21, 22, 23) */
#include "check.h"

typedef struct { WSAOVERLAPPED overlapped; SOCKET s; char text[8]; int number; } OPERATION;

static DWORD main_thread;
static int runs, depth;
static HANDLE set;

static void CALLBACK routine(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    OPERATION *it = (OPERATION *)overlapped;
    (void)flags;
    runs++;
    depth++;
    printf("routine %d: %s, %d bytes, on its thread: %s, nested %d\n", it->number, code ? error_name(code) : "no error",
        (int)bytes, GetCurrentThreadId() == main_thread ? "yes" : "no", depth - 1);
    depth--;
}

static void CALLBACK next(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    OPERATION *it = (OPERATION *)overlapped;
    WSABUF buffer = buffer_of(it->text, 1);
    (void)flags;
    runs++;
    printf("step %d: %s, %d bytes\n", runs, code ? error_name(code) : "no error", (int)bytes);
    if (code || !bytes || runs == 3) return;
    flags = 0;
    STARTED("started from the routine", WSARecv(it->s, &buffer, 1, NULL, &flags, overlapped, next));
}

static void start(OPERATION *it, SOCKET s, int number, DWORD size, LPWSAOVERLAPPED_COMPLETION_ROUTINE call) {
    WSABUF buffer = buffer_of(it->text, size);
    DWORD flags = 0;
    memset(it, 0, sizeof *it);
    buffer.buf = it->text;
    it->s = s;
    it->number = number;
    STARTED("WSARecv", WSARecv(s, &buffer, 1, NULL, &flags, &it->overlapped, call));
}

int main(void) {
    SOCKET client, server;
    OPERATION a, b, c;
    begin();
    main_thread = GetCurrentThreadId();
    connected(&client, &server);
    set = CreateEventA(NULL, TRUE, TRUE, NULL);
    start(&a, server, 1, 4, routine);
    show("SleepEx with nothing", (int)SleepEx(SHORT_WAIT, TRUE));
    send(client, "1111", 4, 0);
    Sleep(SHORT_WAIT);
    show("no routine in Sleep", runs);
    show_wait("nor in a wait that isn't alertable", WaitForSingleObjectEx(set, 0, FALSE));
    show("SleepEx that isn't alertable", (int)SleepEx(1, FALSE));
    show("no routine yet", runs);
    show_wait("SleepEx", SleepEx(LONG_WAIT, TRUE));
    show("one routine", runs);
    start(&a, server, 1, 4, routine);
    start(&b, server, 2, 4, routine);
    start(&c, server, 3, 4, routine);
    send(client, "111122223333", 12, 0);
    Sleep(2 * SHORT_WAIT);
    show_wait("one wait runs them all", SleepEx(LONG_WAIT, TRUE));
    show("routines", runs);
    show("nothing is left", (int)SleepEx(0, TRUE));
    start(&a, server, 4, 4, routine);
    send(client, "4444", 4, 0);
    Sleep(2 * SHORT_WAIT);
    show_wait("a set event and a routine", WSAWaitForMultipleEvents(1, &set, FALSE, LONG_WAIT, TRUE));
    ResetEvent(set);
    show_wait("and the routine", WSAWaitForMultipleEvents(1, &set, FALSE, LONG_WAIT, TRUE));
    start(&a, server, 5, 4, routine);
    send(client, "5555", 4, 0);
    show_wait("WaitForSingleObjectEx", WaitForSingleObjectEx(set, LONG_WAIT, TRUE));
    start(&a, server, 6, 4, routine);
    send(client, "6666", 4, 0);
    show_wait("WaitForMultipleObjectsEx for all", WaitForMultipleObjectsEx(1, &set, TRUE, LONG_WAIT, TRUE));
    start(&a, server, 7, 4, routine);
    CancelIo((HANDLE)server);
    show_wait("cancelled", SleepEx(LONG_WAIT, TRUE));
    start(&a, server, 8, 4, routine);
    closesocket(server);
    show_wait("closed", SleepEx(LONG_WAIT, TRUE));
    closesocket(client);
    connected(&client, &server);
    runs = 0;
    start(&a, server, 9, 1, next);
    send(client, "xyz", 3, 0);
    while (runs < 3 && SleepEx(LONG_WAIT, TRUE) == WAIT_IO_COMPLETION) {}
    show("steps", runs);
    closesocket(client);
    closesocket(server);
    CloseHandle(set);
    return 0;
}
