/* What older Windows needed to have getaddrinfo: it is in ws2tcpip.h. */
#ifndef WSK_WSPIAPI_H
#define WSK_WSPIAPI_H
#include "ws2tcpip.h"
#endif
