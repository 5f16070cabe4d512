/* A start that fails tells nobody. (trap 7) */
#include "check.h"

static int routines;

static void CALLBACK routine(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)code; (void)bytes; (void)overlapped; (void)flags;
    routines++;
}

int main(void) {
    SOCKET s, client, server, closed;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    HANDLE port;
    ULONG_PTR key;
    OVERLAPPED *out;
    char text[8];
    DWORD flags = 0, bytes;
    begin();
    buffer = buffer_of(text, sizeof text);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    s = tcp();
    closed = tcp();
    closesocket(closed);
    CALL("WSARecv on a closed socket", WSARecv(closed, &buffer, 1, NULL, &flags, &overlapped, NULL));
    CALL("WSARecv without a connection", WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, NULL));
    show_wait("the event is not set", WaitForSingleObject(overlapped.hEvent, SHORT_WAIT));
    CALL("WSARecv with a routine", WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, routine));
    show("SleepEx", (int)SleepEx(SHORT_WAIT, TRUE));
    show("no routine", routines);
    port = CreateIoCompletionPort((HANDLE)s, NULL, 1, 0);
    CALL("WSARecv on a port", WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, NULL));
    TRUTH("no packet", GetQueuedCompletionStatus(port, &bytes, &key, &out, SHORT_WAIT));
    connected(&client, &server);
    shutdown(client, SD_SEND);
    CALL("WSASend after shutdown", WSASend(client, &buffer, 1, NULL, 0, &overlapped, NULL));
    show_wait("the event is not set", WaitForSingleObject(overlapped.hEvent, SHORT_WAIT));
    CALL("WSARecv without buffers", WSARecv(server, NULL, 1, NULL, &flags, &overlapped, NULL));
    CALL("WSARecv without flags", WSARecv(server, &buffer, 1, NULL, NULL, &overlapped, NULL));
    CreateIoCompletionPort((HANDLE)server, port, 2, 0);
    CALL("a routine on a port's socket", WSASend(server, &buffer, 1, NULL, 0, &overlapped, routine));
    show("SleepEx", (int)SleepEx(SHORT_WAIT, TRUE));
    show("no routine", routines);
    TRUTH("no packet", GetQueuedCompletionStatus(port, &bytes, &key, &out, SHORT_WAIT));
    closesocket(client);
    closesocket(server);
    closesocket(s);
    CloseHandle(port);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
