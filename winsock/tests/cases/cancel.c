/* Cancelled operations end, once, with 995; closesocket cancels. (traps 16, 33) */
#include "check.h"

static SOCKET server;
static WSAOVERLAPPED theirs;
static char their_text[8];

static DWORD WINAPI start_and_wait(LPVOID go) {
    WSABUF buffer = buffer_of(their_text, sizeof their_text);
    DWORD flags = 0;
    WSARecv(server, &buffer, 1, NULL, &flags, &theirs, NULL);
    SetEvent(((HANDLE *)go)[0]);
    WaitForSingleObject(((HANDLE *)go)[1], INFINITE);
    return 0;
}

int main(void) {
    SOCKET client;
    WSAOVERLAPPED a, b;
    WSABUF buffer;
    HANDLE go[2], thread;
    char text[2][8];
    DWORD flags = 0, bytes = 0;
    begin();
    connected(&client, &server);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    memset(&theirs, 0, sizeof theirs);
    a.hEvent = WSACreateEvent();
    b.hEvent = WSACreateEvent();
    theirs.hEvent = WSACreateEvent();
    TRUTH("CancelIo of nothing", CancelIo((HANDLE)server));
    TRUTH("CancelIoEx of nothing", CancelIoEx((HANDLE)server, NULL));
    TRUTH("CancelIoEx of a block that is idle", CancelIoEx((HANDLE)server, &a));
    buffer = buffer_of(text[0], 8);
    CALL("WSARecv a", WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL));
    buffer = buffer_of(text[1], 8);
    CALL("WSARecv b", WSARecv(server, &buffer, 1, NULL, &flags, &b, NULL));
    TRUTH("CancelIoEx of b", CancelIoEx((HANDLE)server, &b));
    show_result("b", server, &b);
    show_hex("its Internal", b.Internal);
    show("its InternalHigh", (int)b.InternalHigh);
    TRUTH("GetOverlappedResult of b", GetOverlappedResult((HANDLE)server, &b, &bytes, FALSE));
    show_wait("a goes on", WaitForSingleObject(a.hEvent, SHORT_WAIT));
    send(client, "data", 4, 0);
    show_result("and ends with the data", server, &a);
    show_bytes("data", text[0], 4);
    flags = 0;
    WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL);
    WSARecv(server, &buffer, 1, NULL, &flags, &b, NULL);
    TRUTH("CancelIo", CancelIo((HANDLE)server));
    show_result("a", server, &a);
    show_result("b", server, &b);
    send(client, "kept", 4, 0);
    CALL("nothing was lost", recv(server, text[0], 4, MSG_WAITALL));

    go[0] = CreateEventA(NULL, FALSE, FALSE, NULL);
    go[1] = CreateEventA(NULL, FALSE, FALSE, NULL);
    thread = CreateThread(NULL, 0, start_and_wait, go, 0, NULL);
    WaitForSingleObject(go[0], LONG_WAIT);
    CancelIo((HANDLE)server);
    show_wait("CancelIo leaves another thread's", WaitForSingleObject(theirs.hEvent, SHORT_WAIT));
    TRUTH("CancelIoEx of every thread's", CancelIoEx((HANDLE)server, NULL));
    show_result("it", server, &theirs);
    SetEvent(go[1]);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);

    flags = 0;
    WSARecv(server, &buffer, 1, NULL, &flags, &a, NULL);
    WSARecv(server, &buffer, 1, NULL, &flags, &b, NULL);
    CALL("closesocket with two receives", closesocket(server));
    show_wait("the event of a", WaitForSingleObject(a.hEvent, LONG_WAIT));
    show_hex("its Internal", a.Internal);
    show_wait("the event of b", WaitForSingleObject(b.hEvent, LONG_WAIT));
    show_hex("its Internal", b.Internal);
    TRUTH("CancelIoEx of a closed socket", CancelIoEx((HANDLE)server, NULL));
    TRUTH("CancelIo of a closed socket", CancelIo((HANDLE)server));
    closesocket(client);
    WSACloseEvent(a.hEvent);
    WSACloseEvent(b.hEvent);
    WSACloseEvent(theirs.hEvent);
    CloseHandle(go[0]);
    CloseHandle(go[1]);
    return 0;
}
