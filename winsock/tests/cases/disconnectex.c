/* DisconnectEx and sockets that are used again. (trap 38) */
#include "extension.h"

#define ROOM (sizeof(SOCKADDR_IN) + 16)

int main(void) {
    SOCKET listener, accepted, client, client2;
    SOCKADDR_IN address, name;
    WSAOVERLAPPED overlapped;
    LPFN_DISCONNECTEX disconnect;
    HANDLE port;
    DWORD bytes = 0, flags = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *out = NULL;
    WSABUF buffer;
    char block[256], text[8];
    int size;
    begin();
    listener = listener_at(&address);
    accepted = tcp();
    disconnect = disconnect_ex(accepted);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    TRUTH("without a connection", disconnect(accepted, NULL, 0, 0));
    show_start("AcceptEx", accept_ex(listener)(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    client = connected_to(&address);
    show_result("ends", listener, &overlapped);
    setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener, sizeof listener);
    show_start("DisconnectEx for reuse", disconnect(accepted, &overlapped, TF_REUSE_SOCKET, 0));
    CALL("the peer sees the end", recv(client, text, sizeof text, 0));
    closesocket(client);
    show_result("it ends", accepted, &overlapped);
    size = sizeof name;
    CALL("getpeername", getpeername(accepted, (SOCKADDR *)&name, &size));
    CALL("send", send(accepted, "a", 1, 0));
    show_start("AcceptEx with the same socket", accept_ex(listener)(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    client = connected_to(&address);
    show_result("ends", listener, &overlapped);
    setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener, sizeof listener);
    impatient(client);
    CALL("send", send(accepted, "again", 5, 0));
    CALL("arrives", recv(client, text, 5, MSG_WAITALL));
    port = CreateIoCompletionPort((HANDLE)accepted, NULL, 66, 0);
    yes("a port", port != NULL);
    overlapped.hEvent = NULL;
    show_start("DisconnectEx", disconnect(accepted, &overlapped, TF_REUSE_SOCKET, 0));
    recv(client, text, sizeof text, 0);
    closesocket(client);
    TRUTH("its packet", GetQueuedCompletionStatus(port, &bytes, &key, &out, LONG_WAIT));
    show("key", (int)key);
    overlapped.hEvent = WSACreateEvent();
    show_start("AcceptEx", accept_ex(listener)(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    client2 = connected_to(&address);
    show_result("ends", listener, &overlapped);
    setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener, sizeof listener);
    buffer = buffer_of(text, sizeof text);
    overlapped.hEvent = NULL;
    show_start("WSARecv", WSARecv(accepted, &buffer, 1, NULL, &flags, &overlapped, NULL) == 0);
    send(client2, "port", 4, 0);
    TRUTH("it is still on the port", GetQueuedCompletionStatus(port, &bytes, &key, &out, LONG_WAIT));
    show("bytes", (int)bytes);
    TRUTH("DisconnectEx that waits", disconnect(accepted, NULL, 0, 0));
    CALL("send after it", send(accepted, "a", 1, 0));
    closesocket(client2);
    closesocket(accepted);
    closesocket(listener);
    CloseHandle(port);
    return 0;
}
