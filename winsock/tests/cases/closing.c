/* closesocket from another thread while calls wait. */
#include "check.h"

typedef struct { SOCKET s; int call; DWORD code; int value; } WAITER;

static DWORD WINAPI wait_in(LPVOID parameter) {
    WAITER *waiter = (WAITER *)parameter;
    char text[8];
    if (waiter->call == 0) waiter->value = recv(waiter->s, text, sizeof text, 0);
    else if (waiter->call == 1) waiter->value = (int)accept(waiter->s, NULL, NULL);
    else waiter->value = recvfrom(waiter->s, text, sizeof text, 0, NULL, NULL);
    waiter->code = WSAGetLastError();
    return 0;
}

static void close_under(const char *what, int call, SOCKET s) {
    WAITER waiter;
    HANDLE thread;
    waiter.s = s;
    waiter.call = call;
    thread = CreateThread(NULL, 0, wait_in, &waiter, 0, NULL);
    Sleep(2 * SHORT_WAIT);
    CALL("closesocket", closesocket(s));
    show_wait("the waiter ends", WaitForSingleObject(thread, LONG_WAIT));
    show_call(what, waiter.value == -1, waiter.value, waiter.code);
    CloseHandle(thread);
}

int main(void) {
    SOCKADDR_IN address;
    SOCKET client, server, s;
    begin();
    connected(&client, &server);
    close_under("recv", 0, client);
    closesocket(server);
    close_under("accept", 1, listener_at(&address));
    s = udp();
    bound(s);
    close_under("recvfrom", 2, s);
    return 0;
}
