/* Addresses of IPX. No socket of the family can be made here. */
#ifndef WSK_WSIPX_H
#define WSK_WSIPX_H
#include "winsock2.h"
typedef struct sockaddr_ipx { short sa_family; char sa_netnum[4]; char sa_nodenum[6]; unsigned short sa_socket; } SOCKADDR_IPX, *PSOCKADDR_IPX, *LPSOCKADDR_IPX;
#endif
