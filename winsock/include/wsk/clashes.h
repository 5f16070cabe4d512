/* The few names that C libraries declare with other types: fd_set and its macros, select, u_long
   and gethostname. The C library's headers that declare them come first; from here on the names
   mean Winsock's. */
#ifndef WSK_CLASHES_H
#define WSK_CLASHES_H
/* A size that the program chose survives libc's headers, which set FD_SETSIZE to __FD_SETSIZE. */
#pragma push_macro("FD_SETSIZE")
#include "../minwindef.h"
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/time.h>
#include <sys/select.h>
#include <unistd.h>
#pragma push_macro("__FD_SETSIZE")
#undef __FD_SETSIZE
#if FD_SETSIZE + 0 == 0
#pragma pop_macro("FD_SETSIZE")
#endif
#if FD_SETSIZE + 0 == 0
#undef FD_SETSIZE
#define FD_SETSIZE 64
#endif
#pragma pop_macro("__FD_SETSIZE")

typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned int wsk_u_long;
typedef unsigned long long u_int64;
#define u_long wsk_u_long

typedef UINT_PTR SOCKET;
#define INVALID_SOCKET ((SOCKET)(~(SOCKET)0))
#define SOCKET_ERROR (-1)

#undef FD_CLR
#undef FD_SET
#undef FD_ZERO
#undef FD_ISSET
#define fd_set wsk_fd_set
typedef struct wsk_fd_set {
    u_int fd_count;
    SOCKET fd_array[FD_SETSIZE];
} fd_set;
/* The macro FD_SET takes arguments, so the type may have its name. */
typedef struct wsk_fd_set FD_SET, *PFD_SET, *LPFD_SET;
typedef struct timeval TIMEVAL, *PTIMEVAL, *LPTIMEVAL;

WSK_INLINE void wsk_fd_add(SOCKET s, fd_set *set) {
    u_int i;
    for (i = 0; i < set->fd_count; i++)
        if (set->fd_array[i] == s) return;
    if (set->fd_count < FD_SETSIZE) set->fd_array[set->fd_count++] = s;
}
WSK_INLINE void wsk_fd_remove(SOCKET s, fd_set *set) {
    u_int i;
    for (i = 0; i < set->fd_count; i++)
        if (set->fd_array[i] == s) {
            for (set->fd_count--; i < set->fd_count; i++) set->fd_array[i] = set->fd_array[i + 1];
            return;
        }
}
#define FD_CLR(s, set) wsk_fd_remove((SOCKET)(s), (fd_set *)(set))
#define FD_SET(s, set) wsk_fd_add((SOCKET)(s), (fd_set *)(set))
#define FD_ZERO(set) ((void)(((fd_set *)(set))->fd_count = 0))
#define FD_ISSET(s, set) __WSAFDIsSet((SOCKET)(s), (fd_set *)(set))

#define select wsk_select
#define gethostname wsk_gethostname

#undef timerisset
#undef timercmp
#undef timerclear
#define timerisset(t) ((t)->tv_sec || (t)->tv_usec)
#define timercmp(a, b, cmp) \
    ((a)->tv_sec == (b)->tv_sec ? (a)->tv_usec cmp (b)->tv_usec : (a)->tv_sec cmp (b)->tv_sec)
#define timerclear(t) ((t)->tv_sec = (t)->tv_usec = 0)
#endif
