/* `main` returns while operations are in flight whose blocks lie on its stack: nothing touches them. */
#include "../cases/check.h"

static volatile char used;

static void at_exit(void) {
    volatile char stack[16384];
    memset((char *)stack, 0xa5, sizeof stack);
    used = stack[used & 1];
    Sleep(SHORT_WAIT);
    printf("the end\n");
}

static int with_operations_in_flight(void) {
    SOCKET client, server;
    WSAOVERLAPPED blocks[4];
    WSABUF buffer;
    char text[16];
    DWORD flags = 0;
    int i;
    connected(&client, &server);
    for (i = 0; i < 4; i++) {
        memset(&blocks[i], 0, sizeof blocks[i]);
        blocks[i].hEvent = WSACreateEvent();
        buffer = buffer_of(text, sizeof text);
        CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &blocks[i], NULL));
    }
    return 0;
}

int main(void) {
    begin();
    atexit(at_exit);
    return with_operations_in_flight();
}
