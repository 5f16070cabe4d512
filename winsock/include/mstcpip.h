/* Keep-alive values and other controls of TCP. */
#ifndef WSK_MSTCPIP_H
#define WSK_MSTCPIP_H
#include "winsock2.h"
#include "ws2tcpip.h"
#include <string.h>
struct tcp_keepalive { ULONG onoff, keepalivetime, keepaliveinterval; };
#define SIO_RCVALL _WSAIOW(IOC_VENDOR, 1)
#define SIO_RCVALL_MCAST _WSAIOW(IOC_VENDOR, 2)
#define SIO_RCVALL_IGMPMCAST _WSAIOW(IOC_VENDOR, 3)
#define SIO_KEEPALIVE_VALS _WSAIOW(IOC_VENDOR, 4)
#define SIO_ABSORB_RTRALERT _WSAIOW(IOC_VENDOR, 5)
#define SIO_UCAST_IF _WSAIOW(IOC_VENDOR, 6)
#define SIO_LIMIT_BROADCASTS _WSAIOW(IOC_VENDOR, 7)
#define SIO_INDEX_BIND _WSAIOW(IOC_VENDOR, 8)
#define SIO_INDEX_MCASTIF _WSAIOW(IOC_VENDOR, 9)
#ifndef SIO_LOOPBACK_FAST_PATH
#define SIO_LOOPBACK_FAST_PATH _WSAIOW(IOC_VENDOR, 16)
#endif
#ifndef SIO_TCP_INITIAL_RTO
#define SIO_TCP_INITIAL_RTO _WSAIOW(IOC_VENDOR, 17)
#endif
typedef struct _TCP_INITIAL_RTO_PARAMETERS { USHORT Rtt; UCHAR MaxSynRetransmissions; } TCP_INITIAL_RTO_PARAMETERS, *PTCP_INITIAL_RTO_PARAMETERS;
#define TCP_INITIAL_RTO_UNSPECIFIED_RTT ((USHORT)-1)
#define TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS ((UCHAR)-2)
typedef enum { RCVALL_OFF = 0, RCVALL_ON = 1, RCVALL_SOCKETLEVELONLY = 2, RCVALL_IPLEVEL = 3 } RCVALL_VALUE, *PRCVALL_VALUE;

/* An address of either family, by what sa_family says. */
WSK_INLINE void IN4ADDR_SETSOCKADDR(PSOCKADDR_IN to, const IN_ADDR *address, USHORT port) {
    memset(to, 0, sizeof(*to));
    to->sin_family = AF_INET;
    to->sin_port = port;
    to->sin_addr = *address;
}
WSK_INLINE void IN6ADDR_SETSOCKADDR(PSOCKADDR_IN6 to, const IN6_ADDR *address, SCOPE_ID scope, USHORT port) {
    memset(to, 0, sizeof(*to));
    to->sin6_family = AF_INET6;
    to->sin6_port = port;
    to->sin6_addr = *address;
    to->sin6_scope_struct = scope;
}
WSK_INLINE void IN4ADDR_SETANY(PSOCKADDR_IN to) {
    memset(to, 0, sizeof(*to));
    to->sin_family = AF_INET;
}
WSK_INLINE void IN4ADDR_SETLOOPBACK(PSOCKADDR_IN to) {
    IN4ADDR_SETANY(to);
    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}
WSK_INLINE void IN6ADDR_SETANY(PSOCKADDR_IN6 to) {
    memset(to, 0, sizeof(*to));
    to->sin6_family = AF_INET6;
}
WSK_INLINE void IN6ADDR_SETLOOPBACK(PSOCKADDR_IN6 to) {
    IN6ADDR_SETANY(to);
    to->sin6_addr.u.Byte[15] = 1;
}
WSK_INLINE BOOLEAN IN4ADDR_ISANY(const SOCKADDR_IN *a) { return a->sin_addr.s_addr == 0; }
WSK_INLINE BOOLEAN IN4ADDR_ISLOOPBACK(const SOCKADDR_IN *a) { return a->sin_addr.S_un.S_un_b.s_b1 == 127; }
WSK_INLINE BOOLEAN IN6ADDR_ISANY(const SOCKADDR_IN6 *a) { return IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr) != 0; }
WSK_INLINE BOOLEAN IN6ADDR_ISLOOPBACK(const SOCKADDR_IN6 *a) { return IN6_IS_ADDR_LOOPBACK(&a->sin6_addr) != 0; }
WSK_INLINE void INETADDR_SETANY(PSOCKADDR to) {
    if (to->sa_family == AF_INET) IN4ADDR_SETANY((PSOCKADDR_IN)to);
    else IN6ADDR_SETANY((PSOCKADDR_IN6)to);
}
WSK_INLINE void INETADDR_SETLOOPBACK(PSOCKADDR to) {
    if (to->sa_family == AF_INET) IN4ADDR_SETLOOPBACK((PSOCKADDR_IN)to);
    else IN6ADDR_SETLOOPBACK((PSOCKADDR_IN6)to);
}
WSK_INLINE void INETADDR_SETSOCKADDR(ADDRESS_FAMILY family, PSOCKADDR to, const VOID *address, SCOPE_ID scope, USHORT port) {
    if (family == AF_INET) IN4ADDR_SETSOCKADDR((PSOCKADDR_IN)to, (const IN_ADDR *)address, port);
    else IN6ADDR_SETSOCKADDR((PSOCKADDR_IN6)to, (const IN6_ADDR *)address, scope, port);
}
WSK_INLINE BOOLEAN INETADDR_ISANY(const SOCKADDR *a) {
    return a->sa_family == AF_INET ? IN4ADDR_ISANY((const SOCKADDR_IN *)a) : IN6ADDR_ISANY((const SOCKADDR_IN6 *)a);
}
WSK_INLINE BOOLEAN INETADDR_ISLOOPBACK(const SOCKADDR *a) {
    return a->sa_family == AF_INET ? IN4ADDR_ISLOOPBACK((const SOCKADDR_IN *)a) : IN6ADDR_ISLOOPBACK((const SOCKADDR_IN6 *)a);
}
WSK_INLINE BOOLEAN INETADDR_ISV4MAPPED(const SOCKADDR *a) {
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((const SOCKADDR_IN6 *)a)->sin6_addr);
}
WSK_INLINE PUCHAR INETADDR_ADDRESS(const SOCKADDR *a) {
    return a->sa_family == AF_INET6 ? (PUCHAR)&((PSOCKADDR_IN6)a)->sin6_addr : (PUCHAR)&((PSOCKADDR_IN)a)->sin_addr;
}
WSK_INLINE void INETADDR_SET_ADDRESS(PSOCKADDR to, const UCHAR *address) {
    memcpy(INETADDR_ADDRESS(to), address, to->sa_family == AF_INET6 ? sizeof(IN6_ADDR) : sizeof(IN_ADDR));
}
/* In the order of the network. Both families have the port at the same place. */
WSK_INLINE USHORT INETADDR_PORT(const SOCKADDR *a) { return ((const SOCKADDR_IN *)a)->sin_port; }
WSK_INLINE void INETADDR_SET_PORT(PSOCKADDR to, USHORT port) { ((PSOCKADDR_IN)to)->sin_port = port; }
WSK_INLINE SCOPE_ID INETADDR_SCOPE_ID(const SOCKADDR *a) {
    SCOPE_ID none;
    memset(&none, 0, sizeof(none));
    return a->sa_family == AF_INET6 ? ((const SOCKADDR_IN6 *)a)->sin6_scope_struct : none;
}
#endif
