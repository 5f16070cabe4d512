/* Windows Sockets 1.1: the calls are the same, with Winsock 2's numbers for options. */
#ifndef WSK_WINSOCK_H
#define WSK_WINSOCK_H
#include "winsock2.h"
#endif
