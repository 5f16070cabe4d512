/* Operations whose end is a call on a thread of the pool, work items, timers and waits of the pool. */
#include "check.h"

static HANDLE done;
static volatile LONG calls;
static int expected_context;

static VOID CALLBACK ended(DWORD code, DWORD bytes, LPOVERLAPPED overlapped) {
    printf("BindIoCompletionCallback: code %d, %d bytes, its block: %s\n", (int)code, (int)bytes, overlapped->Offset == 0 ? "yes" : "no");
    SetEvent(done);
}
static VOID CALLBACK io_ended(PTP_CALLBACK_INSTANCE instance, PVOID context, PVOID overlapped, ULONG result, ULONG_PTR bytes, PTP_IO io) {
    (void)instance; (void)io;
    printf("pool: result %d, %d bytes, its context: %s, a block: %s\n", (int)result, (int)bytes,
        context == &expected_context ? "yes" : "no", overlapped ? "yes" : "no");
    SetEvent(done);
}
static VOID CALLBACK work(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WORK item) {
    (void)instance; (void)context; (void)item;
    InterlockedIncrement(&calls);
}
static VOID CALLBACK simple(PTP_CALLBACK_INSTANCE instance, PVOID context) {
    (void)instance;
    SetEvent((HANDLE)context);
}
static DWORD WINAPI queued(LPVOID parameter) {
    SetEvent((HANDLE)parameter);
    return 0;
}
static VOID CALLBACK timer(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER it) {
    (void)instance; (void)it;
    SetEvent((HANDLE)context);
}
static VOID CALLBACK waited(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WAIT it, TP_WAIT_RESULT result) {
    (void)instance; (void)it;
    show_wait("the pool's wait", result);
    SetEvent((HANDLE)context);
}

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    PTP_IO io;
    PTP_WORK item;
    PTP_TIMER tick;
    PTP_WAIT wait;
    FILETIME due;
    ULARGE_INTEGER when;
    HANDLE event;
    DWORD flags = 0;
    char text[16];
    int i;
    begin();
    done = CreateEventA(NULL, FALSE, FALSE, NULL);
    event = CreateEventA(NULL, FALSE, FALSE, NULL);
    memset(&overlapped, 0, sizeof overlapped);
    buffer = buffer_of(text, sizeof text);
    connected(&client, &server);
    TRUTH("BindIoCompletionCallback", BindIoCompletionCallback((HANDLE)server, ended, 0));
    TRUTH("again", BindIoCompletionCallback((HANDLE)server, ended, 0));
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    send(client, "bound", 5, 0);
    show_wait("it ends", WaitForSingleObject(done, LONG_WAIT));
    closesocket(client);
    closesocket(server);
    connected(&client, &server);
    io = CreateThreadpoolIo((HANDLE)server, io_ended, &expected_context, NULL);
    yes("CreateThreadpoolIo", io != NULL);
    StartThreadpoolIo(io);
    flags = 0;
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    send(client, "pooled", 6, 0);
    show_wait("it ends", WaitForSingleObject(done, LONG_WAIT));
    StartThreadpoolIo(io);
    CALL("a start that fails", WSARecv(server, NULL, 1, NULL, &flags, &overlapped, NULL));
    CancelThreadpoolIo(io);
    show_wait("no call", WaitForSingleObject(done, SHORT_WAIT));
    StartThreadpoolIo(io);
    flags = 0;
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    CancelIoEx((HANDLE)server, NULL);
    show_wait("it ends", WaitForSingleObject(done, LONG_WAIT));
    WaitForThreadpoolIoCallbacks(io, FALSE);
    closesocket(server);
    closesocket(client);
    CloseThreadpoolIo(io);
    item = CreateThreadpoolWork(work, NULL, NULL);
    for (i = 0; i < 10; i++) SubmitThreadpoolWork(item);
    WaitForThreadpoolWorkCallbacks(item, FALSE);
    show("work", calls);
    CloseThreadpoolWork(item);
    TRUTH("TrySubmitThreadpoolCallback", TrySubmitThreadpoolCallback(simple, event, NULL));
    show_wait("it runs", WaitForSingleObject(event, LONG_WAIT));
    TRUTH("QueueUserWorkItem", QueueUserWorkItem(queued, event, WT_EXECUTEDEFAULT));
    show_wait("it runs", WaitForSingleObject(event, LONG_WAIT));
    tick = CreateThreadpoolTimer(timer, event, NULL);
    when.QuadPart = (ULONGLONG)-100000;
    due.dwLowDateTime = when.LowPart;
    due.dwHighDateTime = when.HighPart;
    SetThreadpoolTimer(tick, &due, 0, 0);
    show_wait("a timer", WaitForSingleObject(event, LONG_WAIT));
    WaitForThreadpoolTimerCallbacks(tick, TRUE);
    CloseThreadpoolTimer(tick);
    wait = CreateThreadpoolWait(waited, event, NULL);
    SetThreadpoolWait(wait, done, NULL);
    SetEvent(done);
    show_wait("a wait", WaitForSingleObject(event, LONG_WAIT));
    WaitForThreadpoolWaitCallbacks(wait, TRUE);
    CloseThreadpoolWait(wait);
    CloseHandle(event);
    CloseHandle(done);
    return 0;
}
