/* The extension functions' identifiers and structures that need no call. */
#ifndef WSK_MSWSOCKDEF_H
#define WSK_MSWSOCKDEF_H
#include "winsock2.h"
typedef struct RIO_BUFFERID_t *RIO_BUFFERID, **PRIO_BUFFERID;
typedef struct RIO_CQ_t *RIO_CQ, **PRIO_CQ;
typedef struct RIO_RQ_t *RIO_RQ, **PRIO_RQ;
typedef struct _RIO_BUF { RIO_BUFFERID BufferId; ULONG Offset; ULONG Length; } RIO_BUF, *PRIO_BUF;
typedef struct _RIORESULT { LONG Status; ULONG BytesTransferred; ULONGLONG SocketContext, RequestContext; } RIORESULT, *PRIORESULT;
#endif
