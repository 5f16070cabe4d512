/* ConnectEx: bound first, data with the connection, the context, refusals. (trap 37) */
#include "extension.h"

int main(void) {
    SOCKET listener, client, server;
    SOCKADDR_IN address, name;
    WSAOVERLAPPED overlapped;
    LPFN_CONNECTEX start;
    DWORD sent = 77, seconds = 0, flags = 0;
    char text[16];
    int size;
    begin();
    listener = listener_at(&address);
    client = tcp();
    start = connect_ex(client);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    TRUTH("without a bind", start(client, (SOCKADDR *)&address, sizeof address, NULL, 0, NULL, &overlapped));
    bound(client);
    TRUTH("without an OVERLAPPED", start(client, (SOCKADDR *)&address, sizeof address, NULL, 0, NULL, NULL));
    show_start("ConnectEx", start(client, (SOCKADDR *)&address, sizeof address, NULL, 0, NULL, &overlapped));
    show_result("ends", client, &overlapped);
    CALL("SO_UPDATE_CONNECT_CONTEXT", setsockopt(client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0));
    size = sizeof name;
    CALL("getpeername", getpeername(client, (SOCKADDR *)&name, &size));
    size = sizeof seconds;
    CALL("SO_CONNECT_TIME", getsockopt(client, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &size));
    yes("it counts", seconds < 60);
    server = accept(listener, NULL, NULL);
    send(client, "hello", 5, 0);
    CALL("recv", recv(server, text, sizeof text, 0));
    CALL("shutdown", shutdown(client, SD_SEND));
    CALL("the end", recv(server, text, sizeof text, 0));
    show_start("ConnectEx of a connected socket", start(client, (SOCKADDR *)&address, sizeof address, NULL, 0, NULL, &overlapped));
    closesocket(server);
    closesocket(client);
    client = tcp();
    bound(client);
    show_start("ConnectEx with data", start(client, (SOCKADDR *)&address, sizeof address, (PVOID) "first data", 10, &sent, &overlapped));
    show_result("ends with the bytes sent", client, &overlapped);
    server = accept(listener, NULL, NULL);
    CALL("they arrive", recv(server, text, 10, MSG_WAITALL));
    show_bytes("data", text, 10);
    closesocket(server);
    closesocket(client);
    closesocket(listener);
    client = tcp();
    bound(client);
    show_start("ConnectEx to a closed port", start(client, (SOCKADDR *)&address, sizeof address, NULL, 0, NULL, &overlapped));
    show_wait("the event", WaitForSingleObject(overlapped.hEvent, LONG_WAIT));
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(client, &overlapped, &sent, FALSE, &flags));
    TRUTH("GetOverlappedResult", GetOverlappedResult((HANDLE)client, &overlapped, &sent, FALSE));
    closesocket(client);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
