/* Several operations of one socket at once. (trap 13) */
#include "check.h"

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED blocks[4];
    WSABUF buffer;
    char text[4][4], rest[64];
    DWORD bytes, flags = 0;
    u_long on = 1;
    int i;
    begin();
    connected(&client, &server);
    memset(blocks, 0, sizeof blocks);
    for (i = 0; i < 4; i++) {
        blocks[i].hEvent = WSACreateEvent();
        buffer = buffer_of(text[i], 4);
        flags = 0;
        CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &blocks[i], NULL));
    }
    ioctlsocket(server, FIONBIO, &on);
    CALL("a recv that doesn't wait", recv(server, rest, sizeof rest, 0));
    send(client, "aaaabbbb", 8, 0);
    show_result("first", server, &blocks[0]);
    show_bytes("data", text[0], 4);
    show_result("second", server, &blocks[1]);
    show_bytes("data", text[1], 4);
    show_wait("the third goes on", WaitForSingleObject(blocks[2].hEvent, SHORT_WAIT));
    CALL("a recv steals nothing", recv(server, rest, sizeof rest, 0));
    send(client, "cc", 2, 0);
    show_result("third", server, &blocks[2]);
    show_bytes("data", text[2], 2);
    send(client, "ddddee", 6, 0);
    show_result("fourth", server, &blocks[3]);
    show_bytes("data", text[3], 4);
    arrived(server, 2);
    CALL("what is left is for recv", recv(server, rest, sizeof rest, 0));
    for (i = 0; i < 4; i++) {
        text[i][0] = text[i][1] = text[i][2] = text[i][3] = (char)('1' + i);
        buffer = buffer_of(text[i], 4);
        STARTED("WSASend", WSASend(server, &buffer, 1, NULL, 0, &blocks[i], NULL));
    }
    for (i = 0; i < 4; i++) show_result("it ends", server, &blocks[i]);
    i = recv(client, rest, 16, MSG_WAITALL);
    show_bytes("in order", rest, i);
    flags = 0;
    buffer = buffer_of(text[0], 4);
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &blocks[0], NULL));
    buffer.buf = text[1];
    STARTED("WSASend beside it", WSASend(server, &buffer, 1, NULL, 0, &blocks[1], NULL));
    show_result("the send ends first", server, &blocks[1]);
    show_wait("the receive goes on", WaitForSingleObject(blocks[0].hEvent, 0));
    send(client, "end", 3, 0);
    show_result("and ends", server, &blocks[0]);
    TRUTH("its count", WSAGetOverlappedResult(server, &blocks[0], &bytes, TRUE, &flags));
    for (i = 0; i < 4; i++) WSACloseEvent(blocks[i].hEvent);
    closesocket(client);
    closesocket(server);
    return 0;
}
