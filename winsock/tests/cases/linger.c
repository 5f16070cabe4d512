/* How a connection ends: lingering, resets, what the peer sees. */
#include "check.h"

int main(void) {
    SOCKET client, server;
    LINGER linger;
    char text[8];
    BOOL on = TRUE;
    int i, got;
    begin();
    connected(&client, &server);
    send(client, "last", 4, 0);
    CALL("closesocket after send", closesocket(client));
    got = recv(server, text, sizeof text, 0);
    show_bytes("the peer still gets it", text, got);
    CALL("and then the end", recv(server, text, sizeof text, 0));
    closesocket(server);
    connected(&client, &server);
    linger.l_onoff = 1;
    linger.l_linger = 5;
    setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)&linger, sizeof linger);
    send(client, "five", 4, 0);
    CALL("closesocket that lingers", closesocket(client));
    got = recv(server, text, sizeof text, 0);
    show_bytes("the peer gets it", text, got);
    CALL("and the end", recv(server, text, sizeof text, 0));
    closesocket(server);
    connected(&client, &server);
    reset(client);
    CALL("recv after a reset", recv(server, text, sizeof text, 0));
    for (i = 0; i < 50 && send(server, "x", 1, 0) == 1; i++) Sleep(1);
    yes("a later send fails", i < 50);
    closesocket(server);
    connected(&client, &server);
    setsockopt(client, SOL_SOCKET, SO_DONTLINGER, (char *)&on, sizeof on);
    shutdown(client, SD_SEND);
    CALL("recv after the peer's SD_SEND", recv(server, text, sizeof text, 0));
    CALL("send the other way", send(server, "back", 4, 0));
    got = recv(client, text, sizeof text, 0);
    show_bytes("arrives", text, got);
    CALL("WSASendDisconnect", WSASendDisconnect(server, NULL));
    CALL("the end comes", recv(client, text, sizeof text, 0));
    CALL("send after WSASendDisconnect", send(server, "x", 1, 0));
    closesocket(client);
    closesocket(server);
    connected(&client, &server);
    send(client, "unread", 6, 0);
    arrived(server, 6);
    closesocket(server);
    got = recv(client, text, sizeof text, 0);
    show_call("the peer closed with unread data", got < 0, got, WSAGetLastError());
    closesocket(client);
    return 0;
}
