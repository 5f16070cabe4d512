/* Names and addresses, IPv6. */
#ifndef WSK_WS2TCPIP_H
#define WSK_WS2TCPIP_H
#include "winsock2.h"
#include "ws2ipdef.h"
#include <stdio.h>

/* libc declares socklen_t as unsigned int: the name means Winsock's from here on. */
typedef int wsk_socklen_t;
#define socklen_t wsk_socklen_t

#define EAI_AGAIN WSATRY_AGAIN
#define EAI_BADFLAGS WSAEINVAL
#define EAI_FAIL WSANO_RECOVERY
#define EAI_FAMILY WSAEAFNOSUPPORT
#define EAI_MEMORY WSA_NOT_ENOUGH_MEMORY
#define EAI_NOSECURENAME WSA_SECURE_HOST_NOT_FOUND
#define EAI_NONAME WSAHOST_NOT_FOUND
#define EAI_SERVICE WSATYPE_NOT_FOUND
#define EAI_SOCKTYPE WSAESOCKTNOSUPPORT
#define EAI_NODATA EAI_NONAME
#define GAI_STRERROR_BUFFER_SIZE 1024

typedef void (CALLBACK *LPLOOKUPSERVICE_COMPLETION_ROUTINE)(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped);

#define IN6ADDR_ANY_INIT {{{0}}}
#define IN6ADDR_LOOPBACK_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}

WSK_BEGIN
extern const IN6_ADDR in6addr_any WSK(in6addr_any);
extern const IN6_ADDR in6addr_loopback WSK(in6addr_loopback);
INT WSAAPI getaddrinfo(PCSTR node, PCSTR service, const ADDRINFOA *hints, PADDRINFOA *result) WSK(getaddrinfo);
INT WSAAPI GetAddrInfoW(PCWSTR node, PCWSTR service, const ADDRINFOW *hints, PADDRINFOW *result) WSK(GetAddrInfoW);
VOID WSAAPI freeaddrinfo(PADDRINFOA list) WSK(freeaddrinfo);
VOID WSAAPI FreeAddrInfoW(PADDRINFOW list) WSK(FreeAddrInfoW);
INT WSAAPI getnameinfo(const SOCKADDR *address, int length, PCHAR host, DWORD host_size, PCHAR service, DWORD service_size, INT flags) WSK(getnameinfo);
INT WSAAPI GetNameInfoW(const SOCKADDR *address, int length, PWCHAR host, DWORD host_size, PWCHAR service, DWORD service_size, INT flags) WSK(GetNameInfoW);
INT WSAAPI inet_pton(INT family, PCSTR text, PVOID address) WSK(inet_pton);
PCSTR WSAAPI inet_ntop(INT family, const VOID *address, PSTR text, size_t size) WSK(inet_ntop);
INT WSAAPI InetPtonW(INT family, PCWSTR text, PVOID address) WSK(InetPtonW);
PCWSTR WSAAPI InetNtopW(INT family, const VOID *address, PWSTR text, size_t size) WSK(InetNtopW);
char *gai_strerrorA(int error) WSK(gai_strerrorA);
WCHAR *gai_strerrorW(int error) WSK(gai_strerrorW);
WSK_END

#define InetPtonA inet_pton
#define InetNtopA inet_ntop
#define GetAddrInfoA getaddrinfo
#define FreeAddrInfoA freeaddrinfo
#define GetNameInfoA getnameinfo
#ifdef UNICODE
#define InetPton InetPtonW
#define InetNtop InetNtopW
#define GetAddrInfo GetAddrInfoW
#define FreeAddrInfo FreeAddrInfoW
#define GetNameInfo GetNameInfoW
#define gai_strerror gai_strerrorW
#else
#define InetPton InetPtonA
#define InetNtop InetNtopA
#define GetAddrInfo GetAddrInfoA
#define FreeAddrInfo FreeAddrInfoA
#define GetNameInfo GetNameInfoA
#define gai_strerror gai_strerrorA
#endif

/* How many bytes of sends should be under way. */
#define SIO_IDEAL_SEND_BACKLOG_QUERY _IOR('t', 123, ULONG)
WSK_INLINE int idealsendbacklogquery(SOCKET s, ULONG *backlog) {
    DWORD bytes;
    return WSAIoctl(s, SIO_IDEAL_SEND_BACKLOG_QUERY, NULL, 0, backlog, sizeof(*backlog), &bytes, NULL, NULL);
}

WSK_INLINE int IN6_ADDR_EQUAL(const IN6_ADDR *a, const IN6_ADDR *b) { return !memcmp(a, b, sizeof(*a)); }
WSK_INLINE int IN6_IS_ADDR_UNSPECIFIED(const IN6_ADDR *a) {
    static const IN6_ADDR any = IN6ADDR_ANY_INIT;
    return IN6_ADDR_EQUAL(a, &any);
}
WSK_INLINE int IN6_IS_ADDR_LOOPBACK(const IN6_ADDR *a) {
    static const IN6_ADDR loopback = IN6ADDR_LOOPBACK_INIT;
    return IN6_ADDR_EQUAL(a, &loopback);
}
WSK_INLINE int IN6_IS_ADDR_MULTICAST(const IN6_ADDR *a) { return a->u.Byte[0] == 0xff; }
WSK_INLINE int IN6_IS_ADDR_LINKLOCAL(const IN6_ADDR *a) { return a->u.Byte[0] == 0xfe && (a->u.Byte[1] & 0xc0) == 0x80; }
WSK_INLINE int IN6_IS_ADDR_SITELOCAL(const IN6_ADDR *a) { return a->u.Byte[0] == 0xfe && (a->u.Byte[1] & 0xc0) == 0xc0; }
WSK_INLINE int IN6_IS_ADDR_V4MAPPED(const IN6_ADDR *a) {
    return a->u.Word[0] == 0 && a->u.Word[1] == 0 && a->u.Word[2] == 0 && a->u.Word[3] == 0 && a->u.Word[4] == 0 && a->u.Word[5] == 0xffff;
}
#endif
