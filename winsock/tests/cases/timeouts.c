/* SO_RCVTIMEO and SO_SNDTIMEO: milliseconds in a DWORD, for blocking calls alone. (trap 20) */
#include "check.h"

int main(void) {
    SOCKET client, server, s;
    SOCKADDR_IN address;
    DWORD limit = SHORT_WAIT, bytes = 0, flags = 0;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    char *large = (char *)calloc(1 << 20, 1);
    char text[8];
    int i;
    begin();
    connected(&client, &server);
    CALL("set SO_RCVTIMEO", setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit));
    CALL("recv", recv(client, text, sizeof text, 0));
    CALL("recv again", recv(client, text, sizeof text, 0));
    buffer = buffer_of(text, sizeof text);
    CALL("WSARecv", WSARecv(client, &buffer, 1, &bytes, &flags, NULL, NULL));
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    CALL("overlapped WSARecv", WSARecv(client, &buffer, 1, NULL, &flags, &overlapped, NULL));
    show_wait("has no limit", WaitForSingleObject(overlapped.hEvent, 4 * SHORT_WAIT));
    send(server, "late", 4, 0);
    show_result("and ends with the data", client, &overlapped);
    send(server, "abc", 3, 0);
    CALL("recv of data that is there", recv(client, text, sizeof text, 0));
    limit = 0;
    CALL("set SO_RCVTIMEO to 0", setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit));
    limit = SHORT_WAIT;
    CALL("set SO_SNDTIMEO", setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, sizeof limit));
    for (i = 0; i < 64; i++)
        if (send(client, large, 1 << 20, 0) == SOCKET_ERROR) break;
    yes("send ends when the peer doesn't read", i < 64);
    show_error("its code", WSAGetLastError());
    WSACloseEvent(overlapped.hEvent);
    reset(client);
    closesocket(server);
    s = udp();
    address = bound(s);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof limit);
    CALL("recvfrom", recvfrom(s, text, sizeof text, 0, NULL, NULL));
    sendto(s, "x", 1, 0, (SOCKADDR *)&address, sizeof address);
    CALL("recvfrom of a datagram", recvfrom(s, text, sizeof text, 0, NULL, NULL));
    closesocket(s);
    free(large);
    return 0;
}
