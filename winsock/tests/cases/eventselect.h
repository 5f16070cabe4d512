/* Network events, shown by name. */
#ifndef EVENTSELECT_H
#define EVENTSELECT_H

#include "check.h"

static inline void show_network(const char *what, SOCKET s, WSAEVENT event, int milliseconds) {
    static const char *const names[] = { "READ", "WRITE", "OOB", "ACCEPT", "CONNECT", "CLOSE" };
    WSANETWORKEVENTS found;
    int bit, any = 0;
    DWORD outcome = WSAWaitForMultipleEvents(1, &event, FALSE, milliseconds, FALSE);
    memset(&found, 0, sizeof found);
    printf("%s:", what);
    if (outcome == WSA_WAIT_TIMEOUT) printf(" not signalled,");
    if (WSAEnumNetworkEvents(s, event, &found)) {
        printf(" fails, %s\n", error_name(WSAGetLastError()));
        return;
    }
    for (bit = 0; bit < 6; bit++)
        if (found.lNetworkEvents & (1 << bit)) {
            any = 1;
            printf(" %s", names[bit]);
            if (found.iErrorCode[bit]) printf("(%s)", error_name((DWORD)found.iErrorCode[bit]));
        }
    printf("%s\n", any ? "" : " nothing");
}

/* Waits until an event of the mask is recorded, and shows it. */
static inline void show_next(const char *what, SOCKET s, WSAEVENT event) { show_network(what, s, event, LONG_WAIT); }
static inline void show_none(const char *what, SOCKET s, WSAEVENT event) { show_network(what, s, event, SHORT_WAIT); }

#endif
