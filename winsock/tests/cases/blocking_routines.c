/* Routines run also inside blocking calls of their thread. (trap 21) */
#include "check.h"

static int runs;

static void CALLBACK routine(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)code; (void)bytes; (void)overlapped; (void)flags;
    runs++;
}

static DWORD WINAPI send_two(LPVOID parameter) {
    SOCKET *pair = (SOCKET *)parameter;
    send(pair[0], "async", 5, 0);
    Sleep(4 * SHORT_WAIT);
    send(pair[1], "sync", 4, 0);
    return 0;
}

int main(void) {
    SOCKET a, b, c, d, pair[2];
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    HANDLE thread;
    DWORD flags = 0;
    char text[16], other[16];
    begin();
    connected(&a, &b);
    connected(&c, &d);
    memset(&overlapped, 0, sizeof overlapped);
    buffer = buffer_of(text, sizeof text);
    CALL("WSARecv with a routine", WSARecv(b, &buffer, 1, NULL, &flags, &overlapped, routine));
    pair[0] = a;
    pair[1] = c;
    thread = CreateThread(NULL, 0, send_two, pair, 0, NULL);
    CALL("recv on another socket", recv(d, other, sizeof other, 0));
    show("the routine ran in it", runs);
    show_wait("thread", WaitForSingleObject(thread, LONG_WAIT));
    SleepEx(0, TRUE);
    show("it ran once", runs);
    CloseHandle(thread);
    flags = 0;
    CALL("WSARecv with a routine", WSARecv(b, &buffer, 1, NULL, &flags, &overlapped, routine));
    thread = CreateThread(NULL, 0, send_two, pair, 0, NULL);
    show("select", readable(d, LONG_WAIT));
    show("the routine ran in it", runs);
    WaitForSingleObject(thread, LONG_WAIT);
    SleepEx(0, TRUE);
    show("it ran once", runs);
    CloseHandle(thread);
    closesocket(a);
    closesocket(b);
    closesocket(c);
    closesocket(d);
    return 0;
}
