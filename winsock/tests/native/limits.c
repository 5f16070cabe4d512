/* What a program is told that has no descriptors left, and that it can go on. */
#include "../cases/check.h"
#include <sys/resource.h>

int main(void) {
    struct rlimit limit;
    SOCKET sockets[200];
    int count, after;
    begin();
    closesocket(tcp());
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (count = 0; count < 200; count++) {
        sockets[count] = tcp();
        if (sockets[count] == INVALID_SOCKET) break;
    }
    yes("fewer sockets than descriptors", count < 100);
    show_error("the code", (DWORD)WSAGetLastError());
    after = count;
    while (count > 0) closesocket(sockets[--count]);
    for (count = 0; count < after; count++) sockets[count] = tcp();
    yes("as many again after closesocket", sockets[after - 1] != INVALID_SOCKET);
    return 0;
}
