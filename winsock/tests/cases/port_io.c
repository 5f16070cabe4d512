/* Operations whose end is a packet. (traps 6, 11, 12, 28, 29) */
#include "check.h"

static HANDLE port;
static DWORD bytes;
static ULONG_PTR key;
static OVERLAPPED *out;

static void take(const char *what, DWORD milliseconds) {
    bytes = 0;
    key = 0;
    out = NULL;
    TRUTH(what, GetQueuedCompletionStatus(port, &bytes, &key, &out, milliseconds));
    if (out) printf("  %d bytes, key %d\n", (int)bytes, (int)key);
}

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED a, b;
    WSABUF buffer;
    char text[2][8];
    DWORD flags = 0, count = 0;
    HANDLE event;
    begin();
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    connected(&client, &server);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    CreateIoCompletionPort((HANDLE)server, port, 77, 0);
    buffer = buffer_of(text[0], 8);
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    show_hex("Internal", a.Internal);
    take("no packet yet", SHORT_WAIT);
    send(client, "hello", 5, 0);
    take("the packet", LONG_WAIT);
    yes("its block", out == &a);
    show_hex("Internal", a.Internal);
    show("InternalHigh", (int)a.InternalHigh);
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &a, &count, FALSE, &flags));
    show("bytes", (int)count);
    send(client, "ready", 5, 0);
    arrived(server, 5);
    flags = 0;
    CALL("WSARecv of data that is there", WSARecv(server, &buffer, 1, &count, &flags, &a, NULL));
    show("bytes", (int)count);
    take("a packet all the same", LONG_WAIT);
    buffer.len = 3;
    STARTED("WSASend", WSASend(server, &buffer, 1, NULL, 0, &b, NULL));
    take("its packet", LONG_WAIT);
    yes("its block", out == &b);
    recv(client, text[1], 3, MSG_WAITALL);
    a.hEvent = event;
    buffer.len = 8;
    flags = 0;
    CALL("WSARecv with an event", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    send(client, "x", 1, 0);
    take("a packet", LONG_WAIT);
    show_wait("and the event", WaitForSingleObject(event, 0));
    a.hEvent = (HANDLE)((ULONG_PTR)event | 1);
    flags = 0;
    CALL("WSARecv with an event whose low bit is set", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    show_wait("the event was reset", WaitForSingleObject(event, 0));
    send(client, "yy", 2, 0);
    show_wait("it is set", WaitForSingleObject(event, LONG_WAIT));
    take("no packet", SHORT_WAIT);
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &a, &count, FALSE, &flags));
    show("bytes", (int)count);
    a.hEvent = NULL;
    flags = 0;
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    TRUTH("CancelIoEx", CancelIoEx((HANDLE)server, &a));
    take("the packet of a cancelled one", LONG_WAIT);
    flags = 0;
    WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL);
    shutdown(client, SD_SEND);
    take("the end of the stream", LONG_WAIT);
    yes("its block", out == &a);
    show("bytes", (int)bytes);
    flags = 0;
    closesocket(client);
    closesocket(server);

    connected(&client, &server);
    CreateIoCompletionPort((HANDLE)server, port, 78, 0);
    TRUTH("SetFileCompletionNotificationModes", SetFileCompletionNotificationModes((HANDLE)server, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
    send(client, "skip", 4, 0);
    arrived(server, 4);
    flags = 0;
    CALL("WSARecv of data that is there", WSARecv(server, &buffer, 1, &count, &flags, &a, NULL));
    show("bytes", (int)count);
    take("no packet", SHORT_WAIT);
    flags = 0;
    CALL("WSARecv that waits", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    send(client, "late", 4, 0);
    take("a packet", LONG_WAIT);
    TRUTH("the mode can't be taken back", SetFileCompletionNotificationModes((HANDLE)server, 0));
    send(client, "skip", 4, 0);
    arrived(server, 4);
    flags = 0;
    CALL("WSARecv of data that is there", WSARecv(server, &buffer, 1, &count, &flags, &a, NULL));
    take("no packet", SHORT_WAIT);
    TRUTH("an unknown mode", SetFileCompletionNotificationModes((HANDLE)server, 0x80));
    closesocket(client);
    closesocket(server);
    CloseHandle(port);
    CloseHandle(event);
    return 0;
}
