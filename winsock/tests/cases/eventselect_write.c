/* WSAEventSelect for connecting and writing; what accepted sockets inherit. (traps 39, 40) */
#include "eventselect.h"

int main(void) {
    SOCKADDR_IN address;
    SOCKET listener, client, server, refused;
    WSAEVENT event, inherited;
    char *large = (char *)calloc(1 << 20, 1), text[16];
    int i, got, error = 0, size = sizeof error;
    begin();
    event = WSACreateEvent();
    inherited = WSACreateEvent();
    listener = listener_at(&address);
    WSAEventSelect(listener, inherited, FD_ACCEPT | FD_READ | FD_CLOSE);
    client = tcp();
    CALL("WSAEventSelect", WSAEventSelect(client, event, FD_CONNECT | FD_WRITE | FD_READ | FD_CLOSE));
    show_none("before connect", client, event);
    CALL("connect", connect(client, (SOCKADDR *)&address, sizeof address));
    show_next("connected", client, event);
    show_none("recorded once", client, event);
    show_next("the listener", listener, inherited);
    server = accept(listener, NULL, NULL);
    yes("accept", server != INVALID_SOCKET);
    CALL("send", send(client, "small", 5, 0));
    show_none("no FD_WRITE after a send that went", client, event);
    show_next("the accepted socket uses the listener's event", server, inherited);
    CALL("recv", recv(server, text, sizeof text, 0));
    for (i = 0; i < 64; i++)
        if (send(client, large, 1 << 20, 0) == SOCKET_ERROR) break;
    show_error("send until it would wait", i < 64 ? (DWORD)WSAGetLastError() : 0);
    show_none("no FD_WRITE yet", client, event);
    for (i = 0; i < 400; i++) {
        got = recv(server, large, 1 << 20, 0);
        if (got == SOCKET_ERROR && !readable(server, 2 * SHORT_WAIT)) break;
    }
    show_next("room again", client, event);
    show_none("recorded once", client, event);
    CALL("send", send(client, "small", 5, 0));
    CALL("WSAEventSelect again", WSAEventSelect(client, event, FD_WRITE));
    show_next("records FD_WRITE anew", client, event);
    CALL("a part of the mask", WSAEventSelect(client, event, FD_READ));
    show_none("no FD_WRITE now", client, event);
    closesocket(server);
    closesocket(client);
    closesocket(listener);
    refused = tcp();
    WSAEventSelect(refused, event, FD_CONNECT | FD_WRITE | FD_CLOSE);
    CALL("connect to a closed port", connect(refused, (SOCKADDR *)&address, sizeof address));
    show_next("refused", refused, event);
    CALL("SO_ERROR", getsockopt(refused, SOL_SOCKET, SO_ERROR, (char *)&error, &size));
    closesocket(refused);
    client = udp();
    address = bound(client);
    WSAEventSelect(client, event, FD_READ | FD_WRITE);
    show_next("a datagram socket is writable", client, event);
    sendto(client, "x", 1, 0, (SOCKADDR *)&address, sizeof address);
    show_next("and readable", client, event);
    closesocket(client);
    WSACloseEvent(event);
    WSACloseEvent(inherited);
    free(large);
    return 0;
}
