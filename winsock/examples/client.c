/*
 * Client of the echo servers: opens sessions, sends messages on each, and compares what comes back.
 *
 *     client host port [messages [sessions]]
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma comment(lib, "ws2_32.lib")

static void Error_Quit(const char *what) {
    fprintf(stderr, "%s: %d\n", what, WSAGetLastError());
    exit(1);
}

static int Recv_All(SOCKET s, char *data, int size) {
    int got = 0;
    while (got < size) {
        int more = recv(s, data + got, size - got, 0);
        if (more <= 0) return more;
        got += more;
    }
    return got;
}

int main(int argc, char **argv) {
    WSADATA data;
    struct addrinfo hints, *address = NULL;
    SOCKET *sockets;
    int messages = argc > 3 ? atoi(argv[3]) : 3, sessions = argc > 4 ? atoi(argv[4]) : 1;
    int i, round, same = 0;
    if (argc < 3) {
        fprintf(stderr, "client host port [messages [sessions]]\n");
        return 2;
    }
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) Error_Quit("WSAStartup");
    ZeroMemory(&hints, sizeof hints);
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(argv[1], argv[2], &hints, &address) != 0) Error_Quit("getaddrinfo");
    sockets = (SOCKET *)calloc((size_t)sessions, sizeof *sockets);
    if (!sockets) Error_Quit("memory");
    for (i = 0; i < sessions; i++) {
        sockets[i] = socket(address->ai_family, address->ai_socktype, address->ai_protocol);
        if (sockets[i] == INVALID_SOCKET) Error_Quit("socket");
        if (connect(sockets[i], address->ai_addr, (int)address->ai_addrlen) == SOCKET_ERROR) Error_Quit("connect");
    }
    freeaddrinfo(address);
    for (round = 1; round <= messages; round++) {
        char text[64], back[64];
        int length = sprintf(text, "message %d", round);
        for (i = 0; i < sessions; i++)
            if (send(sockets[i], text, length, 0) != length) Error_Quit("send");
        for (i = 0; i < sessions; i++) {
            if (Recv_All(sockets[i], back, length) != length) Error_Quit("recv");
            same += memcmp(text, back, (size_t)length) == 0;
        }
    }
    for (i = 0; i < sessions; i++) {
        char end;
        shutdown(sockets[i], SD_SEND);
        if (recv(sockets[i], &end, 1, 0) != 0) Error_Quit("recv of the end");
        closesocket(sockets[i]);
    }
    free(sockets);
    printf("%d sessions, %d messages, %d came back\n", sessions, sessions * messages, same);
    WSACleanup();
    return 0;
}
