/* Several buffers in one call, and the blocking forms of WSASend and WSARecv. (traps 8, 9, 10) */
#include "check.h"

static int send_from_stack(SOCKET s, DWORD *bytes, WSAOVERLAPPED *overlapped) {
    char head[] = "head ", tail[] = "tail";
    WSABUF buffers[3];
    buffers[0] = buffer_of(head, 5);
    buffers[1] = buffer_of(head, 0);
    buffers[2] = buffer_of(tail, 4);
    return WSASend(s, buffers, 3, bytes, 0, overlapped, NULL);
}

int main(void) {
    SOCKET client, server;
    SOCKADDR_IN to, from;
    WSABUF buffers[4];
    char a[4], b[4], c[32];
    DWORD bytes = 0, flags = 0;
    int size = sizeof from;
    begin();
    connected(&client, &server);
    CALL("WSASend of three buffers", send_from_stack(client, &bytes, NULL));
    show("bytes", bytes);
    arrived(server, 9);
    buffers[0] = buffer_of(a, 2);
    buffers[1] = buffer_of(b, 4);
    buffers[2] = buffer_of(c, sizeof c);
    CALL("WSARecv into three", WSARecv(server, buffers, 3, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    show_bytes("first", a, 2);
    show_bytes("second", b, 4);
    show_bytes("third", c, 3);
    show("flags", flags);
    CALL("WSASend without a count", WSASend(client, buffers, 1, NULL, 0, NULL, NULL));
    CALL("WSASend of no buffer", WSASend(client, buffers, 0, &bytes, 0, NULL, NULL));
    buffers[0] = buffer_of(a, 0);
    CALL("WSASend of an empty buffer", WSASend(client, buffers, 1, &bytes, 0, NULL, NULL));
    show("bytes", bytes);
    send(client, "xy", 2, 0);
    arrived(server, 2);
    CALL("WSARecv into an empty buffer", WSARecv(server, buffers, 1, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    flags = MSG_PEEK;
    buffers[0] = buffer_of(c, sizeof c);
    CALL("WSARecv that peeks", WSARecv(server, buffers, 1, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    flags = 0;
    CALL("WSARecv after it", WSARecv(server, buffers, 1, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    send(client, "abcdef", 6, 0);
    flags = MSG_WAITALL;
    buffers[0] = buffer_of(c, 6);
    CALL("WSARecv for all", WSARecv(server, buffers, 1, &bytes, &flags, NULL, NULL));
    show_bytes("all", c, (int)bytes);
    shutdown(client, SD_SEND);
    flags = 0;
    bytes = 5;
    CALL("WSARecv at the end", WSARecv(server, buffers, 1, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    CALL("WSASend after the end of the other way", send_from_stack(server, &bytes, NULL));
    CALL("WSASend after shutdown", send_from_stack(client, &bytes, NULL));
    closesocket(client);
    closesocket(server);

    client = udp();
    server = udp();
    to = bound(server);
    buffers[0] = buffer_of((char *)"one", 3);
    buffers[1] = buffer_of((char *)"two", 3);
    CALL("WSASendTo", WSASendTo(client, buffers, 2, &bytes, 0, (SOCKADDR *)&to, sizeof to, NULL, NULL));
    show("bytes", bytes);
    buffers[0] = buffer_of(a, 2);
    buffers[1] = buffer_of(c, sizeof c);
    flags = 0;
    CALL("WSARecvFrom", WSARecvFrom(server, buffers, 2, &bytes, &flags, (SOCKADDR *)&from, &size, NULL, NULL));
    show("bytes", bytes);
    show("size of the sender", size);
    show_bytes("second", c, 4);
    closesocket(client);
    closesocket(server);
    return 0;
}
