/* Urgent data, flags of calls, sends that meet a closed peer. (traps 18, 45) */
#include "check.h"

int main(void) {
    SOCKET client, server;
    char text[8];
    fd_set failed;
    struct timeval limit = { 5, 0 };
    int i;
    begin();
    connected(&client, &server);
    CALL("send of urgent data", send(client, "!", 1, MSG_OOB));
    FD_ZERO(&failed);
    FD_SET(server, &failed);
    CALL("select for exceptions", select(0, NULL, NULL, &failed, &limit));
    CALL("recv of urgent data", recv(server, text, 1, MSG_OOB));
    show_bytes("data", text, 1);
    send(client, "abc", 3, 0);
    arrived(server, 3);
    CALL("peek", recv(server, text, 2, MSG_PEEK));
    show_bytes("data", text, 2);
    CALL("peek again", recv(server, text, sizeof text, MSG_PEEK));
    CALL("recv", recv(server, text, sizeof text, 0));
    send(client, "12345", 5, 0);
    CALL("recv of all", recv(server, text, 5, MSG_WAITALL));
    CALL("send of nothing", send(client, "", 0, 0));
    CALL("send with MSG_DONTROUTE", send(client, "x", 1, MSG_DONTROUTE));
    CALL("recv", recv(server, text, sizeof text, 0));
    closesocket(server);
    for (i = 0; i < 100; i++) {
        if (send(client, "x", 1, 0) == SOCKET_ERROR) break;
        Sleep(1);
    }
    yes("a send to a closed peer fails at last, without a signal", i < 100);
    yes("its code is one of a lost connection", WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAECONNABORTED);
    closesocket(client);
    return 0;
}
