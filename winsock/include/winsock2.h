/* Windows Sockets 2. */
#ifndef _WINSOCK2API_
#define _WINSOCK2API_
#ifndef _WINSOCKAPI_
#define _WINSOCKAPI_
#endif
#include "wsk/clashes.h"
#include "ws2def.h"
#include "guiddef.h"
#include "windows.h"

#define WINSOCK_VERSION MAKEWORD(2, 2)
#define WSADESCRIPTION_LEN 256
#define WSASYS_STATUS_LEN 128
#define FROM_PROTOCOL_INFO (-1)
#define SOMAXCONN 0x7fffffff
#define SOMAXCONN_HINT(b) (-(b))
#define MAXGETHOSTSTRUCT 1024

typedef struct WSAData {
    WORD wVersion;
    WORD wHighVersion;
    unsigned short iMaxSockets;
    unsigned short iMaxUdpDg;
    char *lpVendorInfo;
    char szDescription[WSADESCRIPTION_LEN + 1];
    char szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;

struct hostent {
    char *h_name;
    char **h_aliases;
    short h_addrtype;
    short h_length;
    char **h_addr_list;
#define h_addr h_addr_list[0]
};
struct netent { char *n_name; char **n_aliases; short n_addrtype; u_long n_net; };
struct servent { char *s_name; char **s_aliases; char *s_proto; short s_port; };
struct protoent { char *p_name; char **p_aliases; short p_proto; };
typedef struct hostent HOSTENT, *PHOSTENT, *LPHOSTENT;
typedef struct servent SERVENT, *PSERVENT, *LPSERVENT;
typedef struct protoent PROTOENT, *PPROTOENT, *LPPROTOENT;
struct linger { u_short l_onoff; u_short l_linger; };
typedef struct linger LINGER, *PLINGER, *LPLINGER;
struct sockproto { u_short sp_family; u_short sp_protocol; };

#define SOL_SOCKET 0xffff
#define SO_DEBUG 0x0001
#define SO_ACCEPTCONN 0x0002
#define SO_REUSEADDR 0x0004
#define SO_KEEPALIVE 0x0008
#define SO_DONTROUTE 0x0010
#define SO_BROADCAST 0x0020
#define SO_USELOOPBACK 0x0040
#define SO_LINGER 0x0080
#define SO_OOBINLINE 0x0100
#define SO_DONTLINGER (int)(~SO_LINGER)
#define SO_EXCLUSIVEADDRUSE ((int)(~SO_REUSEADDR))
#define SO_SNDBUF 0x1001
#define SO_RCVBUF 0x1002
#define SO_SNDLOWAT 0x1003
#define SO_RCVLOWAT 0x1004
#define SO_SNDTIMEO 0x1005
#define SO_RCVTIMEO 0x1006
#define SO_ERROR 0x1007
#define SO_TYPE 0x1008
#define SO_BSP_STATE 0x1009
#define SO_GROUP_ID 0x2001
#define SO_GROUP_PRIORITY 0x2002
#define SO_MAX_MSG_SIZE 0x2003
#define SO_PROTOCOL_INFOA 0x2004
#define SO_PROTOCOL_INFOW 0x2005
#define PVD_CONFIG 0x3001
#define SO_CONDITIONAL_ACCEPT 0x3002
#define SO_PAUSE_ACCEPT 0x3003
#define SO_COMPARTMENT_ID 0x3004
#define SO_RANDOMIZE_PORT 0x3005
#define SO_PORT_SCALABILITY 0x3006
#define SO_REUSE_UNICASTPORT 0x3007
#define SO_REUSE_MULTICASTPORT 0x3008
#define TCP_NODELAY 0x0001

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_DONTROUTE 0x4
#define MSG_WAITALL 0x8
#define MSG_PUSH_IMMEDIATE 0x20
#define MSG_PARTIAL 0x8000
#define MSG_INTERRUPT 0x10
#define MSG_MAXIOVLEN 16
#define SD_RECEIVE 0x00
#define SD_SEND 0x01
#define SD_BOTH 0x02

#undef FIONREAD
#undef FIONBIO
#undef FIOASYNC
#undef SIOCATMARK
#undef _IO
#undef _IOR
#undef _IOW
#define _IO(x, y) (IOC_VOID | ((x) << 8) | (y))
#define _IOR(x, y, t) (IOC_OUT | (((long)sizeof(t) & IOCPARM_MASK) << 16) | ((x) << 8) | (y))
#define _IOW(x, y, t) (IOC_IN | (((long)sizeof(t) & IOCPARM_MASK) << 16) | ((x) << 8) | (y))
#define FIONREAD 0x4004667F
#define FIONBIO ((int)0x8004667E)
#define FIOASYNC ((int)0x8004667D)
#define SIOCSHIWAT ((int)0x80047300)
#define SIOCGHIWAT 0x40047301
#define SIOCSLOWAT ((int)0x80047302)
#define SIOCGLOWAT 0x40047303
#define SIOCATMARK 0x40047307

#define FD_READ_BIT 0
#define FD_READ (1 << FD_READ_BIT)
#define FD_WRITE_BIT 1
#define FD_WRITE (1 << FD_WRITE_BIT)
#define FD_OOB_BIT 2
#define FD_OOB (1 << FD_OOB_BIT)
#define FD_ACCEPT_BIT 3
#define FD_ACCEPT (1 << FD_ACCEPT_BIT)
#define FD_CONNECT_BIT 4
#define FD_CONNECT (1 << FD_CONNECT_BIT)
#define FD_CLOSE_BIT 5
#define FD_CLOSE (1 << FD_CLOSE_BIT)
#define FD_QOS_BIT 6
#define FD_QOS (1 << FD_QOS_BIT)
#define FD_GROUP_QOS_BIT 7
#define FD_GROUP_QOS (1 << FD_GROUP_QOS_BIT)
#define FD_ROUTING_INTERFACE_CHANGE_BIT 8
#define FD_ROUTING_INTERFACE_CHANGE (1 << FD_ROUTING_INTERFACE_CHANGE_BIT)
#define FD_ADDRESS_LIST_CHANGE_BIT 9
#define FD_ADDRESS_LIST_CHANGE (1 << FD_ADDRESS_LIST_CHANGE_BIT)
#define FD_MAX_EVENTS 10
#define FD_ALL_EVENTS ((1 << FD_MAX_EVENTS) - 1)
typedef struct _WSANETWORKEVENTS {
    LONG lNetworkEvents;
    int iErrorCode[FD_MAX_EVENTS];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

#define WSAEVENT HANDLE
#define LPWSAEVENT LPHANDLE
#define WSAOVERLAPPED OVERLAPPED
typedef struct _OVERLAPPED *LPWSAOVERLAPPED;
#define WSA_IO_PENDING (ERROR_IO_PENDING)
#define WSA_IO_INCOMPLETE (ERROR_IO_INCOMPLETE)
#define WSA_INVALID_HANDLE (ERROR_INVALID_HANDLE)
#define WSA_INVALID_PARAMETER (ERROR_INVALID_PARAMETER)
#define WSA_NOT_ENOUGH_MEMORY (ERROR_NOT_ENOUGH_MEMORY)
#define WSA_OPERATION_ABORTED (ERROR_OPERATION_ABORTED)
#define WSA_INVALID_EVENT ((WSAEVENT)NULL)
#define WSA_MAXIMUM_WAIT_EVENTS (MAXIMUM_WAIT_OBJECTS)
#define WSA_WAIT_FAILED (WAIT_FAILED)
#define WSA_WAIT_EVENT_0 (WAIT_OBJECT_0)
#define WSA_WAIT_IO_COMPLETION (WAIT_IO_COMPLETION)
#define WSA_WAIT_TIMEOUT (WAIT_TIMEOUT)
#define WSA_INFINITE (INFINITE)
#define HOST_NOT_FOUND WSAHOST_NOT_FOUND
#define TRY_AGAIN WSATRY_AGAIN
#define NO_RECOVERY WSANO_RECOVERY
#define NO_DATA WSANO_DATA
#define NO_ADDRESS WSANO_ADDRESS
#define WSANO_ADDRESS WSANO_DATA
#define h_errno WSAGetLastError()

typedef unsigned int GROUP;
#define SG_UNCONSTRAINED_GROUP 0x01
#define SG_CONSTRAINED_GROUP 0x02
#define CF_ACCEPT 0x0000
#define CF_REJECT 0x0001
#define CF_DEFER 0x0002
#define WSA_FLAG_OVERLAPPED 0x01
#define WSA_FLAG_MULTIPOINT_C_ROOT 0x02
#define WSA_FLAG_MULTIPOINT_C_LEAF 0x04
#define WSA_FLAG_MULTIPOINT_D_ROOT 0x08
#define WSA_FLAG_MULTIPOINT_D_LEAF 0x10
#define WSA_FLAG_ACCESS_SYSTEM_SECURITY 0x40
#define WSA_FLAG_NO_HANDLE_INHERIT 0x80
#define WSA_FLAG_REGISTERED_IO 0x100

typedef ULONG SERVICETYPE;
typedef struct _flowspec {
    ULONG TokenRate, TokenBucketSize, PeakBandwidth, Latency, DelayVariation;
    SERVICETYPE ServiceType;
    ULONG MaxSduSize, MinimumPolicedSize;
} FLOWSPEC, *PFLOWSPEC, *LPFLOWSPEC;
typedef struct _QualityOfService {
    FLOWSPEC SendingFlowspec, ReceivingFlowspec;
    WSABUF ProviderSpecific;
} QOS, *LPQOS;

#define MAX_PROTOCOL_CHAIN 7
#define BASE_PROTOCOL 1
#define LAYERED_PROTOCOL 0
#define WSAPROTOCOL_LEN 255
#define XP1_CONNECTIONLESS 0x00000001
#define XP1_GUARANTEED_DELIVERY 0x00000002
#define XP1_GUARANTEED_ORDER 0x00000004
#define XP1_MESSAGE_ORIENTED 0x00000008
#define XP1_PSEUDO_STREAM 0x00000010
#define XP1_GRACEFUL_CLOSE 0x00000020
#define XP1_EXPEDITED_DATA 0x00000040
#define XP1_SUPPORT_BROADCAST 0x00000200
#define XP1_SUPPORT_MULTIPOINT 0x00000400
#define XP1_IFS_HANDLES 0x00020000
typedef struct _WSAPROTOCOLCHAIN { int ChainLen; DWORD ChainEntries[MAX_PROTOCOL_CHAIN]; } WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;
#define WSK_PROTOCOL_INFO_FIELDS                                                                    \
    DWORD dwServiceFlags1, dwServiceFlags2, dwServiceFlags3, dwServiceFlags4, dwProviderFlags;      \
    GUID ProviderId;                                                                                \
    DWORD dwCatalogEntryId;                                                                         \
    WSAPROTOCOLCHAIN ProtocolChain;                                                                 \
    int iVersion, iAddressFamily, iMaxSockAddr, iMinSockAddr, iSocketType, iProtocol;               \
    int iProtocolMaxOffset, iNetworkByteOrder, iSecurityScheme;                                     \
    DWORD dwMessageSize, dwProviderReserved;
typedef struct _WSAPROTOCOL_INFOA { WSK_PROTOCOL_INFO_FIELDS CHAR szProtocol[WSAPROTOCOL_LEN + 1]; } WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;
typedef struct _WSAPROTOCOL_INFOW { WSK_PROTOCOL_INFO_FIELDS WCHAR szProtocol[WSAPROTOCOL_LEN + 1]; } WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

typedef struct pollfd { SOCKET fd; SHORT events; SHORT revents; } WSAPOLLFD, *PWSAPOLLFD, *LPWSAPOLLFD;
#define POLLRDNORM 0x0100
#define POLLRDBAND 0x0200
#define POLLIN (POLLRDNORM | POLLRDBAND)
#define POLLPRI 0x0400
#define POLLWRNORM 0x0010
#define POLLOUT (POLLWRNORM)
#define POLLWRBAND 0x0020
#define POLLERR 0x0001
#define POLLHUP 0x0002
#define POLLNVAL 0x0004

typedef int (CALLBACK *LPCONDITIONPROC)(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos, LPWSABUF callee, LPWSABUF callee_data, GROUP *group, DWORD_PTR data);
typedef void (CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);

WSK_BEGIN
int WSAAPI WSAStartup(WORD version, LPWSADATA data) WSK(WSAStartup);
int WSAAPI WSACleanup(void) WSK(WSACleanup);
int WSAAPI WSAGetLastError(void) WSK(WSAGetLastError);
void WSAAPI WSASetLastError(int error) WSK(WSASetLastError);
BOOL WSAAPI WSAIsBlocking(void) WSK(WSAIsBlocking);

SOCKET WSAAPI socket(int family, int type, int protocol) WSK(socket);
SOCKET WSAAPI WSASocketA(int family, int type, int protocol, LPWSAPROTOCOL_INFOA info, GROUP group, DWORD flags) WSK(WSASocketA);
SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP group, DWORD flags) WSK(WSASocketW);
int WSAAPI closesocket(SOCKET s) WSK(closesocket);
int WSAAPI bind(SOCKET s, const struct sockaddr *name, int namelen) WSK(bind);
int WSAAPI listen(SOCKET s, int backlog) WSK(listen);
SOCKET WSAAPI accept(SOCKET s, struct sockaddr *addr, int *addrlen) WSK(accept);
SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen, LPCONDITIONPROC condition, DWORD_PTR data) WSK(WSAAccept);
int WSAAPI connect(SOCKET s, const struct sockaddr *name, int namelen) WSK(connect);
int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF caller, LPWSABUF callee, LPQOS sqos, LPQOS gqos) WSK(WSAConnect);
BOOL WSAAPI WSAConnectByNameA(SOCKET s, LPCSTR node, LPCSTR service, LPDWORD local_length, LPSOCKADDR local, LPDWORD remote_length, LPSOCKADDR remote, const struct timeval *timeout, LPWSAOVERLAPPED reserved) WSK(WSAConnectByNameA);
BOOL WSAAPI WSAConnectByNameW(SOCKET s, LPWSTR node, LPWSTR service, LPDWORD local_length, LPSOCKADDR local, LPDWORD remote_length, LPSOCKADDR remote, const struct timeval *timeout, LPWSAOVERLAPPED reserved) WSK(WSAConnectByNameW);
BOOL WSAAPI WSAConnectByList(SOCKET s, PSOCKET_ADDRESS_LIST list, LPDWORD local_length, LPSOCKADDR local, LPDWORD remote_length, LPSOCKADDR remote, const struct timeval *timeout, LPWSAOVERLAPPED reserved) WSK(WSAConnectByList);
int WSAAPI shutdown(SOCKET s, int how) WSK(shutdown);
int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF data) WSK(WSASendDisconnect);
int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF data) WSK(WSARecvDisconnect);
int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOA info) WSK(WSADuplicateSocketA);
int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOW info) WSK(WSADuplicateSocketW);
int WSAAPI WSAEnumProtocolsA(LPINT protocols, LPWSAPROTOCOL_INFOA buffer, LPDWORD length) WSK(WSAEnumProtocolsA);
int WSAAPI WSAEnumProtocolsW(LPINT protocols, LPWSAPROTOCOL_INFOW buffer, LPDWORD length) WSK(WSAEnumProtocolsW);

int WSAAPI send(SOCKET s, const char *buf, int len, int flags) WSK(send);
int WSAAPI recv(SOCKET s, char *buf, int len, int flags) WSK(recv);
int WSAAPI sendto(SOCKET s, const char *buf, int len, int flags, const struct sockaddr *to, int tolen) WSK(sendto);
int WSAAPI recvfrom(SOCKET s, char *buf, int len, int flags, struct sockaddr *from, int *fromlen) WSK(recvfrom);
int WSAAPI WSASend(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSASend);
int WSAAPI WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSARecv);
int WSAAPI WSASendTo(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags, const struct sockaddr *to, int tolen, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSASendTo);
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags, struct sockaddr *from, LPINT fromlen, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSARecvFrom);
int WSAAPI WSASendMsg(SOCKET s, LPWSAMSG message, DWORD flags, LPDWORD sent, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSASendMsg);
BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED overlapped, LPDWORD bytes, BOOL wait, LPDWORD flags) WSK(WSAGetOverlappedResult);

int WSAAPI getsockopt(SOCKET s, int level, int name, char *value, int *length) WSK(getsockopt);
int WSAAPI setsockopt(SOCKET s, int level, int name, const char *value, int length) WSK(setsockopt);
int WSAAPI getsockname(SOCKET s, struct sockaddr *name, int *namelen) WSK(getsockname);
int WSAAPI getpeername(SOCKET s, struct sockaddr *name, int *namelen) WSK(getpeername);
int WSAAPI ioctlsocket(SOCKET s, LONG command, u_long *argument) WSK(ioctlsocket);
int WSAAPI WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD returned, LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WSAIoctl);
int WSAAPI select(int ignored, fd_set *read, fd_set *write, fd_set *except, const struct timeval *timeout) WSK(select);
int WSAAPI __WSAFDIsSet(SOCKET s, fd_set *set) WSK(__WSAFDIsSet);
int WSAAPI WSAPoll(LPWSAPOLLFD fds, ULONG count, INT timeout) WSK(WSAPoll);

WSAEVENT WSAAPI WSACreateEvent(void) WSK(WSACreateEvent);
BOOL WSAAPI WSACloseEvent(WSAEVENT event) WSK(WSACloseEvent);
BOOL WSAAPI WSASetEvent(WSAEVENT event) WSK(WSASetEvent);
BOOL WSAAPI WSAResetEvent(WSAEVENT event) WSK(WSAResetEvent);
DWORD WSAAPI WSAWaitForMultipleEvents(DWORD count, const WSAEVENT *events, BOOL all, DWORD milliseconds, BOOL alertable) WSK(WSAWaitForMultipleEvents);
int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT event, LONG mask) WSK(WSAEventSelect);
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events) WSK(WSAEnumNetworkEvents);

u_long WSAAPI htonl(u_long v) WSK(htonl);
u_short WSAAPI htons(u_short v) WSK(htons);
u_long WSAAPI ntohl(u_long v) WSK(ntohl);
u_short WSAAPI ntohs(u_short v) WSK(ntohs);
int WSAAPI WSAHtonl(SOCKET s, u_long v, u_long *result) WSK(WSAHtonl);
int WSAAPI WSAHtons(SOCKET s, u_short v, u_short *result) WSK(WSAHtons);
int WSAAPI WSANtohl(SOCKET s, u_long v, u_long *result) WSK(WSANtohl);
int WSAAPI WSANtohs(SOCKET s, u_short v, u_short *result) WSK(WSANtohs);
unsigned int WSAAPI inet_addr(const char *text) WSK(inet_addr);
char *WSAAPI inet_ntoa(struct in_addr address) WSK(inet_ntoa);

int WSAAPI gethostname(char *name, int length) WSK(gethostname);
int WSAAPI GetHostNameW(PWSTR name, int length) WSK(GetHostNameW);
struct hostent *WSAAPI gethostbyname(const char *name) WSK(gethostbyname);
struct hostent *WSAAPI gethostbyaddr(const char *address, int length, int type) WSK(gethostbyaddr);
struct servent *WSAAPI getservbyname(const char *name, const char *protocol) WSK(getservbyname);
struct servent *WSAAPI getservbyport(int port, const char *protocol) WSK(getservbyport);
struct protoent *WSAAPI getprotobyname(const char *name) WSK(getprotobyname);
struct protoent *WSAAPI getprotobynumber(int number) WSK(getprotobynumber);
INT WSAAPI WSAAddressToStringA(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOA info, LPSTR text, LPDWORD text_length) WSK(WSAAddressToStringA);
INT WSAAPI WSAAddressToStringW(LPSOCKADDR address, DWORD length, LPWSAPROTOCOL_INFOW info, LPWSTR text, LPDWORD text_length) WSK(WSAAddressToStringW);
INT WSAAPI WSAStringToAddressA(LPSTR text, INT family, LPWSAPROTOCOL_INFOA info, LPSOCKADDR address, LPINT length) WSK(WSAStringToAddressA);
INT WSAAPI WSAStringToAddressW(LPWSTR text, INT family, LPWSAPROTOCOL_INFOW info, LPSOCKADDR address, LPINT length) WSK(WSAStringToAddressW);
WSK_END

WSK_INLINE unsigned long long htonll(unsigned long long v) { return __builtin_bswap64(v); }
WSK_INLINE unsigned long long ntohll(unsigned long long v) { return __builtin_bswap64(v); }

#ifdef UNICODE
#define WSASocket WSASocketW
#define WSADuplicateSocket WSADuplicateSocketW
#define WSAEnumProtocols WSAEnumProtocolsW
#define WSAAddressToString WSAAddressToStringW
#define WSAStringToAddress WSAStringToAddressW
#define WSAConnectByName WSAConnectByNameW
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOW
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#else
#define WSASocket WSASocketA
#define WSADuplicateSocket WSADuplicateSocketA
#define WSAEnumProtocols WSAEnumProtocolsA
#define WSAAddressToString WSAAddressToStringA
#define WSAStringToAddress WSAStringToAddressA
#define WSAConnectByName WSAConnectByNameA
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOA
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#endif

#define WSAMAKEASYNCREPLY(length, error) MAKELONG(length, error)
#define WSAMAKESELECTREPLY(event, error) MAKELONG(event, error)
#define WSAGETSELECTEVENT(l) LOWORD(l)
#define WSAGETSELECTERROR(l) HIWORD(l)

#ifdef __cplusplus
#include "wsk/winsock2.hpp"
#endif
#endif
