/* FIONBIO and what calls say that would wait. (traps 18, 43, 44) */
#include "check.h"

int main(void) {
    SOCKADDR_IN address;
    SOCKET listener, client, server, s;
    struct { u_long value; u_long guard; } wide;
    char text[16], *large = (char *)calloc(1 << 20, 1);
    u_long on = 1;
    fd_set writable, failed;
    struct timeval limit = { 5, 0 };
    int i;
    begin();
    listener = listener_at(&address);
    CALL("ioctlsocket FIONBIO", ioctlsocket(listener, FIONBIO, &on));
    MAKES("accept", accept(listener, NULL, NULL));
    client = tcp();
    ioctlsocket(client, FIONBIO, &on);
    CALL("connect", connect(client, (SOCKADDR *)&address, sizeof address));
    FD_ZERO(&writable);
    FD_SET(client, &writable);
    CALL("select for writing", select(0, NULL, &writable, NULL, &limit));
    CALL("connect again", connect(client, (SOCKADDR *)&address, sizeof address));
    readable(listener, LONG_WAIT);
    server = accept(listener, NULL, NULL);
    yes("accept of a client that is there", server != INVALID_SOCKET);
    CALL("recv of nothing", recv(client, text, sizeof text, 0));
    CALL("recv for all", recv(client, text, sizeof text, MSG_WAITALL));
    wide.value = 0xffffffff;
    wide.guard = 0x12345678;
    CALL("FIONREAD of nothing", ioctlsocket(client, FIONREAD, &wide.value));
    show("bytes", (int)wide.value);
    show_hex("what lies behind is untouched", wide.guard);
    send(server, "seven..", 7, 0);
    arrived(client, 7);
    CALL("FIONREAD", ioctlsocket(client, FIONREAD, &wide.value));
    show("bytes", (int)wide.value);
    CALL("recv", recv(client, text, 3, 0));
    CALL("SIOCATMARK", ioctlsocket(client, SIOCATMARK, &wide.value));
    show("at the mark", (int)wide.value);
    for (i = 0; i < 64; i++)
        if (send(client, large, 1 << 20, 0) == SOCKET_ERROR) break;
    yes("send without a reader stops", i < 64);
    show_error("its code", WSAGetLastError());
    CALL("an unknown command", ioctlsocket(client, 0x40046600 + 1, &on));
    CALL("no argument", ioctlsocket(client, FIONBIO, NULL));
    reset(client);
    readable(server, LONG_WAIT);
    on = 0;
    CALL("blocking again", ioctlsocket(server, FIONBIO, &on));
    closesocket(server);
    closesocket(listener);
    s = tcp();
    on = 1;
    ioctlsocket(s, FIONBIO, &on);
    CALL("connect to a closed port", connect(s, (SOCKADDR *)&address, sizeof address));
    FD_ZERO(&failed);
    FD_SET(s, &failed);
    FD_ZERO(&writable);
    FD_SET(s, &writable);
    limit.tv_sec = 5;
    CALL("select", select(0, NULL, &writable, &failed, &limit));
    yes("in the set of exceptions", FD_ISSET(s, &failed) != 0);
    yes("in the set of the writable", FD_ISSET(s, &writable) != 0);
    i = 0;
    { int size = sizeof i; CALL("SO_ERROR", getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&i, &size)); }
    show_error("the error", (DWORD)i);
    closesocket(s);
    free(large);
    return 0;
}
