/* Options of a socket: values, sizes, refusals. (traps 47, 48) */
#include "check.h"

static void get(const char *name, SOCKET s, int level, int option) {
    char what[80];
    union { int number; char bytes[64]; } value;
    int size = sizeof value.number;
    memset(&value, 0, sizeof value);
    sprintf(what, "get %s", name);
    CALL(what, getsockopt(s, level, option, value.bytes, &size));
    printf("  value %d, size %d\n", value.number, size);
}

static void set(const char *name, SOCKET s, int level, int option, int value) {
    char what[80];
    sprintf(what, "set %s to %d", name, value);
    CALL(what, setsockopt(s, level, option, (char *)&value, sizeof value));
}

#define GET(option) get(#option, s, SOL_SOCKET, option)
#define SET(option, value) set(#option, s, SOL_SOCKET, option, value)

int main(void) {
    SOCKET s, listener, client, server;
    SOCKADDR_IN address;
    LINGER linger = { 1, 30 };
    char byte = 1;
    int size, value;
    begin();
    s = tcp();
    GET(SO_TYPE); GET(SO_ERROR); GET(SO_ACCEPTCONN); GET(SO_REUSEADDR); GET(SO_EXCLUSIVEADDRUSE); GET(SO_KEEPALIVE);
    GET(SO_DONTLINGER); GET(SO_OOBINLINE); GET(SO_RCVTIMEO); GET(SO_SNDTIMEO); GET(SO_CONNECT_TIME);
    SET(SO_KEEPALIVE, 1); GET(SO_KEEPALIVE);
    SET(SO_REUSEADDR, 5); GET(SO_REUSEADDR); SET(SO_REUSEADDR, 0); GET(SO_REUSEADDR);
    SET(SO_RCVBUF, 16384); SET(SO_SNDBUF, 0); SET(SO_SNDBUF, 16384);
    SET(SO_OOBINLINE, 1); GET(SO_OOBINLINE);
    SET(SO_RCVTIMEO, 1500); GET(SO_RCVTIMEO); SET(SO_SNDTIMEO, 250); GET(SO_SNDTIMEO);
    SET(SO_RCVTIMEO, 0); GET(SO_RCVTIMEO);
    SET(SO_ERROR, 1); SET(SO_TYPE, 1);
    CALL("set SO_LINGER", setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&linger, sizeof linger));
    memset(&linger, 0, sizeof linger);
    size = sizeof linger;
    CALL("get SO_LINGER", getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&linger, &size));
    printf("  on %d, %d seconds, size %d\n", linger.l_onoff, linger.l_linger, size);
    GET(SO_DONTLINGER); SET(SO_DONTLINGER, 1);
    size = sizeof linger;
    getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&linger, &size);
    show("linger is off now", linger.l_onoff);
    CALL("a byte for a BOOL", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &byte, 1));
    CALL("no value", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, NULL, 4));
    size = 4;
    CALL("get into NULL", getsockopt(s, SOL_SOCKET, SO_TYPE, NULL, &size));
    CALL("get without a size", getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&value, NULL));
    size = 2;
    CALL("get SO_TYPE with little room", getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&value, &size));
    get("an unknown option", s, SOL_SOCKET, 0x4321);
    set("an unknown option", s, SOL_SOCKET, 0x4321, 1);
    get("an unknown level", s, 0x4321, 1);
    closesocket(s);
    s = udp();
    GET(SO_TYPE); GET(SO_BROADCAST); SET(SO_BROADCAST, 1); GET(SO_BROADCAST);
    closesocket(s);
    listener = listener_at(&address);
    s = listener;
    GET(SO_ACCEPTCONN);
    client = connected_to(&address);
    server = accept(listener, NULL, NULL);
    s = client;
    GET(SO_CONNECT_TIME); GET(SO_ACCEPTCONN);
    closesocket(client);
    closesocket(server);
    closesocket(listener);
    return 0;
}
