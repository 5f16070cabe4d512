/* closesocket ends a select of another thread, and the peer sees the end at once. */
#include "../cases/check.h"

typedef struct { SOCKET s; int value; DWORD code; } WAITER;

static DWORD WINAPI wait_in_select(LPVOID parameter) {
    WAITER *waiter = (WAITER *)parameter;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(waiter->s, &set);
    waiter->value = select(0, &set, NULL, NULL, NULL);
    waiter->code = WSAGetLastError();
    return 0;
}

static DWORD WINAPI wait_in_poll(LPVOID parameter) {
    WAITER *waiter = (WAITER *)parameter;
    WSAPOLLFD poll;
    poll.fd = waiter->s;
    poll.events = POLLIN;
    waiter->value = WSAPoll(&poll, 1, -1);
    waiter->code = (DWORD)poll.revents;
    return 0;
}

static HANDLE begin_wait(LPTHREAD_START_ROUTINE wait, WAITER *waiter, SOCKET s) {
    HANDLE thread;
    waiter->s = s;
    thread = CreateThread(NULL, 0, wait, waiter, 0, NULL);
    Sleep(2 * SHORT_WAIT);
    return thread;
}

int main(void) {
    SOCKADDR_IN address;
    SOCKET client, server;
    WAITER waiter;
    HANDLE thread;
    char text[8];
    begin();
    connected(&client, &server);
    thread = begin_wait(wait_in_select, &waiter, client);
    CALL("closesocket", closesocket(client));
    CALL("the peer reads the end", recv(server, text, sizeof text, 0));
    show_wait("the waiter ends", WaitForSingleObject(thread, LONG_WAIT));
    show_call("select", waiter.value == -1, waiter.value, waiter.code);
    thread = begin_wait(wait_in_select, &waiter, listener_at(&address));
    CALL("closesocket of a listener", closesocket(waiter.s));
    show_wait("the waiter ends", WaitForSingleObject(thread, LONG_WAIT));
    show_call("select", waiter.value == -1, waiter.value, waiter.code);
    closesocket(server);
    connected(&client, &server);
    thread = begin_wait(wait_in_poll, &waiter, server);
    CALL("closesocket", closesocket(server));
    show_wait("the waiter ends", WaitForSingleObject(thread, LONG_WAIT));
    show_hex("revents of WSAPoll", waiter.code);
    return 0;
}
