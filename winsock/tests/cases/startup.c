/* WSAStartup is counted, and nearly every call before it fails with WSANOTINITIALISED. (trap 3) */
#include "check.h"

static void before(const char *when) {
    SOCKADDR_IN address = loopback(0);
    char name[64];
    struct timeval now = { 0, 0 };
    fd_set set;
    printf("%s\n", when);
    MAKES("socket", socket(AF_INET, SOCK_STREAM, 0));
    MAKES("WSASocketW", WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED));
    CALL("bind", bind(4, (SOCKADDR *)&address, sizeof address));
    CALL("send", send(4, "a", 1, 0));
    CALL("recv", recv(4, name, 1, 0));
    CALL("closesocket", closesocket(4));
    CALL("gethostname", gethostname(name, sizeof name));
    FD_ZERO(&set);
    FD_SET(4, &set);
    CALL("select", select(0, &set, NULL, NULL, &now));
    CALL("WSACleanup", WSACleanup());
}

int main(void) {
    WSADATA data;
    SOCKET s;
    setvbuf(stdout, NULL, _IONBF, 0);
    before("before WSAStartup");
    show("htons works", htons(0x1234));
    show("version 0.0", WSAStartup(MAKEWORD(0, 0), &data));
    memset(&data, 0, sizeof data);
    show("version 1.1", WSAStartup(MAKEWORD(1, 1), &data));
    show_hex("1.1: wVersion", data.wVersion);
    show_hex("1.1: wHighVersion", data.wHighVersion);
    CALL("WSACleanup", WSACleanup());
    memset(&data, 0, sizeof data);
    show("version 2.2", WSAStartup(MAKEWORD(2, 2), &data));
    show_hex("2.2: wVersion", data.wVersion);
    show_hex("2.2: wHighVersion", data.wHighVersion);
    yes("2.2: a description", data.szDescription[0] != 0);
    show_text("2.2: status", data.szSystemStatus);
    memset(&data, 0, sizeof data);
    show("version 3.5", WSAStartup(MAKEWORD(3, 5), &data));
    show_hex("3.5: wVersion", data.wVersion);
    CALL("WSACleanup", WSACleanup());
    s = socket(AF_INET, SOCK_STREAM, 0);
    yes("a socket after one WSACleanup of two", s != INVALID_SOCKET);
    closesocket(s);
    CALL("the last WSACleanup", WSACleanup());
    before("after the last WSACleanup");
    show("WSAStartup again", WSAStartup(MAKEWORD(2, 2), &data));
    s = socket(AF_INET, SOCK_STREAM, 0);
    yes("a socket", s != INVALID_SOCKET);
    CALL("closesocket", closesocket(s));
    show_error("WSAStartup(NULL)", WSAStartup(MAKEWORD(2, 2), NULL));
    CALL("WSACleanup", WSACleanup());
    return 0;
}
