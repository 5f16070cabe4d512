/* What a thread started is cancelled when it ends, unless the socket is on a port. (trap 15) */
#include "check.h"

typedef struct { SOCKET s; WSAOVERLAPPED overlapped; char text[8]; } START;

static DWORD WINAPI start(LPVOID parameter) {
    START *it = (START *)parameter;
    WSABUF buffer = buffer_of(it->text, sizeof it->text);
    DWORD flags = 0;
    CALL("WSARecv in a thread", WSARecv(it->s, &buffer, 1, NULL, &flags, &it->overlapped, NULL));
    return 0;
}

static void in_a_thread(START *it) {
    HANDLE thread = CreateThread(NULL, 0, start, it, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    CloseHandle(thread);
}

int main(void) {
    SOCKET client, server;
    START it;
    HANDLE port;
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *out = NULL;
    begin();
    connected(&client, &server);
    memset(&it, 0, sizeof it);
    it.s = server;
    it.overlapped.hEvent = WSACreateEvent();
    in_a_thread(&it);
    show_result("after the thread's end", server, &it.overlapped);
    send(client, "kept", 4, 0);
    arrived(server, 4);
    CALL("the data is still there", recv(server, it.text, 8, 0));
    closesocket(client);
    closesocket(server);
    connected(&client, &server);
    port = CreateIoCompletionPort((HANDLE)server, NULL, 5, 0);
    it.s = server;
    in_a_thread(&it);
    TRUTH("on a port: no packet yet", GetQueuedCompletionStatus(port, &bytes, &key, &out, SHORT_WAIT));
    send(client, "data", 4, 0);
    TRUTH("a packet with the data", GetQueuedCompletionStatus(port, &bytes, &key, &out, LONG_WAIT));
    show("bytes", (int)bytes);
    show("key", (int)key);
    yes("its block", out == &it.overlapped);
    show_bytes("data", it.text, 4);
    closesocket(client);
    closesocket(server);
    CloseHandle(port);
    WSACloseEvent(it.overlapped.hEvent);
    return 0;
}
