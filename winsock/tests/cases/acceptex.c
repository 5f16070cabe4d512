/* AcceptEx: sockets made before, addresses, first data, the context. (traps 34, 35, 36) */
#include "extension.h"

#define ROOM (sizeof(SOCKADDR_IN) + 16)

int main(void) {
    SOCKET listener, accepted, client, other;
    SOCKADDR_IN address, name, *local = NULL, *remote = NULL;
    WSAOVERLAPPED overlapped;
    LPFN_ACCEPTEX start;
    char block[256], text[8];
    DWORD bytes = 77, seconds = 0;
    int size, local_size = 0, remote_size = 0, value = 0;
    begin();
    listener = listener_at(&address);
    start = accept_ex(listener);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    accepted = tcp();
    value = 20000;
    setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, (char *)&value, sizeof value);
    TRUTH("without a socket to accept on", start(listener, INVALID_SOCKET, block, 0, ROOM, ROOM, &bytes, &overlapped));
    TRUTH("AcceptEx", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    show_hex("Internal", overlapped.Internal);
    show_wait("nobody connects", WaitForSingleObject(overlapped.hEvent, SHORT_WAIT));
    size = sizeof seconds;
    getsockopt(accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &size);
    show_hex("SO_CONNECT_TIME before", seconds);
    client = connected_to(&address);
    show_result("AcceptEx ends", listener, &overlapped);
    accept_ex_names(listener)(block, 0, ROOM, ROOM, (SOCKADDR **)&local, &local_size, (SOCKADDR **)&remote, &remote_size);
    yes("the local address is in the block", (char *)local >= block && (char *)local < block + sizeof block);
    show("its size", local_size);
    yes("its port", local->sin_port == address.sin_port);
    show("size of the remote one", remote_size);
    size = sizeof name;
    getsockname(client, (SOCKADDR *)&name, &size);
    yes("it is the client's", remote->sin_port == name.sin_port);
    CALL("SO_UPDATE_ACCEPT_CONTEXT", setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener, sizeof listener));
    size = sizeof name;
    CALL("getpeername", getpeername(accepted, (SOCKADDR *)&name, &size));
    CALL("getsockname", getsockname(accepted, (SOCKADDR *)&name, &size));
    yes("the listener's port", name.sin_port == address.sin_port);
    size = sizeof seconds;
    getsockopt(accepted, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &size);
    yes("SO_CONNECT_TIME after", seconds < 60);
    size = sizeof value;
    value = 0;
    getsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, (char *)&value, &size);
    show("an option that was set before", value);
    send(client, "data", 4, 0);
    CALL("recv", recv(accepted, text, sizeof text, 0));
    CALL("send", send(accepted, "back", 4, 0));
    CALL("recv of the client", recv(client, text, 4, MSG_WAITALL));
    show_start("AcceptEx into a connected socket", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    closesocket(accepted);
    closesocket(client);

    accepted = tcp();
    show_start("AcceptEx with data", start(listener, accepted, block, 8, ROOM, ROOM, &bytes, &overlapped));
    client = connected_to(&address);
    show_wait("a silent client", WaitForSingleObject(overlapped.hEvent, SHORT_WAIT));
    send(client, "first", 5, 0);
    show_result("its first data", listener, &overlapped);
    show_bytes("data", block, 5);
    closesocket(accepted);
    closesocket(client);

    accepted = tcp();
    show_start("AcceptEx", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    TRUTH("CancelIoEx", CancelIoEx((HANDLE)listener, &overlapped));
    show_result("it", listener, &overlapped);
    show_start("AcceptEx with the same socket", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    client = connected_to(&address);
    show_result("ends", listener, &overlapped);
    closesocket(accepted);
    closesocket(client);
    client = connected_to(&address);
    readable(listener, LONG_WAIT);
    accepted = tcp();
    show_start("AcceptEx with a client that waits", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    show_result("ends", listener, &overlapped);
    closesocket(accepted);
    closesocket(client);
    accepted = tcp();
    other = tcp();
    show_start("AcceptEx on what doesn't listen", start(other, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    closesocket(other);
    show_start("AcceptEx", start(listener, accepted, block, 0, ROOM, ROOM, &bytes, &overlapped));
    CALL("closesocket of the listener", closesocket(listener));
    show_wait("it ends", WaitForSingleObject(overlapped.hEvent, LONG_WAIT));
    yes("HasOverlappedIoCompleted", HasOverlappedIoCompleted(&overlapped));
    closesocket(accepted);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
