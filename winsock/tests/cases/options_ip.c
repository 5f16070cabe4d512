/* Options of TCP, IP and IPv6; groups; the description of a socket's protocol. (traps 47, 48, 51) */
#include "check.h"

static void get(const char *name, SOCKET s, int level, int option) {
    char what[80];
    int value = 0, size = sizeof value;
    sprintf(what, "get %s", name);
    CALL(what, getsockopt(s, level, option, (char *)&value, &size));
    printf("  value %d, size %d\n", value, size);
}

static void set(const char *name, SOCKET s, int level, int option, int value) {
    char what[80];
    sprintf(what, "set %s to %d", name, value);
    CALL(what, setsockopt(s, level, option, (char *)&value, sizeof value));
}

#define GET(level, option) get(#option, s, level, option)
#define SET(level, option, value) set(#option, s, level, option, value)

int main(void) {
    SOCKET s;
    WSAPROTOCOL_INFOW info;
    IP_MREQ group;
    char on = 1;
    int size;
    begin();
    s = tcp();
    GET(IPPROTO_TCP, TCP_NODELAY); SET(IPPROTO_TCP, TCP_NODELAY, 1); GET(IPPROTO_TCP, TCP_NODELAY);
    SET(IPPROTO_TCP, TCP_NODELAY, 7); GET(IPPROTO_TCP, TCP_NODELAY);
    CALL("set TCP_NODELAY with one byte", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, 1));
    SET(IPPROTO_IP, IP_TTL, 17); GET(IPPROTO_IP, IP_TTL);
    SET(IPPROTO_IP, IP_TTL, 0);
    size = sizeof info;
    memset(&info, 0, sizeof info);
    CALL("get SO_PROTOCOL_INFOW", getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &size));
    show("family", info.iAddressFamily);
    show("type", info.iSocketType);
    show("protocol", info.iProtocol);
    show("size", size == (int)sizeof info);
    closesocket(s);
    s = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED);
    yes("a socket from that description", s != INVALID_SOCKET);
    get("SO_TYPE", s, SOL_SOCKET, SO_TYPE);
    closesocket(s);
    s = udp();
    GET(IPPROTO_IP, IP_MULTICAST_TTL); SET(IPPROTO_IP, IP_MULTICAST_TTL, 4); GET(IPPROTO_IP, IP_MULTICAST_TTL);
    GET(IPPROTO_IP, IP_MULTICAST_LOOP); SET(IPPROTO_IP, IP_MULTICAST_LOOP, 0); GET(IPPROTO_IP, IP_MULTICAST_LOOP);
    memset(&group, 0, sizeof group);
    group.imr_multiaddr.s_addr = inet_addr("10.1.2.3");
    bound(s);
    CALL("join what is no group", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, (char *)&group, sizeof group));
    CALL("join with a short request", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, (char *)&group, 2));
    closesocket(s);
    s = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    GET(IPPROTO_IPV6, IPV6_V6ONLY); SET(IPPROTO_IPV6, IPV6_V6ONLY, 0); GET(IPPROTO_IPV6, IPV6_V6ONLY);
    SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9); GET(IPPROTO_IPV6, IPV6_UNICAST_HOPS);
    closesocket(s);
    return 0;
}
