/* The extension functions, as programs fetch them. */
#ifndef EXTENSION_H
#define EXTENSION_H

#include "check.h"

static inline void *extension(SOCKET s, GUID id) {
    void *function = NULL;
    DWORD bytes = 0;
    if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, &bytes, NULL, NULL)) {
        printf("no extension function: %s\n", error_name(WSAGetLastError()));
        exit(1);
    }
    return function;
}

static inline LPFN_ACCEPTEX accept_ex(SOCKET s) { GUID id = WSAID_ACCEPTEX; return (LPFN_ACCEPTEX)extension(s, id); }
static inline LPFN_CONNECTEX connect_ex(SOCKET s) { GUID id = WSAID_CONNECTEX; return (LPFN_CONNECTEX)extension(s, id); }
static inline LPFN_DISCONNECTEX disconnect_ex(SOCKET s) { GUID id = WSAID_DISCONNECTEX; return (LPFN_DISCONNECTEX)extension(s, id); }
static inline LPFN_GETACCEPTEXSOCKADDRS accept_ex_names(SOCKET s) {
    GUID id = WSAID_GETACCEPTEXSOCKADDRS;
    return (LPFN_GETACCEPTEXSOCKADDRS)extension(s, id);
}
static inline LPFN_WSARECVMSG recv_msg(SOCKET s) { GUID id = WSAID_WSARECVMSG; return (LPFN_WSARECVMSG)extension(s, id); }

/* AcceptEx's outcome, whether it ended at once or not. */
static inline void show_start(const char *what, BOOL outcome) {
    DWORD code = WSAGetLastError();
    if (outcome || code == ERROR_IO_PENDING) printf("%s: started\n", what);
    else printf("%s: fails, %s\n", what, error_name(code));
}

#endif
