/* WSAPoll and its own numbers. (trap 42) */
#include "check.h"

static void poll_one(const char *what, SOCKET s, short events, int milliseconds) {
    WSAPOLLFD one;
    one.fd = s;
    one.events = events;
    one.revents = 0x55;
    SetLastError(0);
    printf("%s: %d", what, WSAPoll(&one, 1, milliseconds));
    printf(", revents 0x%x\n", (unsigned short)one.revents);
}

int main(void) {
    SOCKADDR_IN address;
    SOCKET listener, client, server, s;
    WSAPOLLFD two[2];
    begin();
    listener = listener_at(&address);
    poll_one("a listener", listener, POLLRDNORM, 0);
    client = connected_to(&address);
    poll_one("a client waits", listener, POLLRDNORM, LONG_WAIT);
    server = accept(listener, NULL, NULL);
    poll_one("nothing to read", server, POLLRDNORM, 20);
    poll_one("writable", server, POLLWRNORM, LONG_WAIT);
    send(client, "a", 1, 0);
    poll_one("readable", server, POLLRDNORM, LONG_WAIT);
    poll_one("both", server, POLLRDNORM | POLLWRNORM, LONG_WAIT);
    poll_one("POLLIN", server, POLLIN, LONG_WAIT);
    two[0].fd = server;
    two[0].events = POLLRDNORM;
    two[1].fd = INVALID_SOCKET;
    two[1].events = POLLRDNORM;
    two[0].revents = two[1].revents = 0;
    show("a socket and none", WSAPoll(two, 2, LONG_WAIT));
    show_hex("the socket", (unsigned short)two[0].revents);
    show_hex("none", (unsigned short)two[1].revents);
    s = tcp();
    closesocket(s);
    two[1].fd = s;
    two[1].revents = 0;
    show("a socket and a closed one", WSAPoll(two, 2, LONG_WAIT));
    show_hex("the closed one", (unsigned short)two[1].revents);
    CALL("no sockets", WSAPoll(two, 0, 0));
    CALL("NULL", WSAPoll(NULL, 1, 0));
    poll_one("POLLERR asked for", server, POLLERR, 0);
    { char byte; recv(server, &byte, 1, 0); }
    shutdown(client, SD_SEND);
    poll_one("the peer has shut down", server, POLLRDNORM, LONG_WAIT);
    closesocket(server);
    readable(client, LONG_WAIT);
    poll_one("both ways are down", client, POLLRDNORM, LONG_WAIT);
    closesocket(client);
    client = connected_to(&address);
    server = accept(listener, NULL, NULL);
    reset(client);
    readable(server, LONG_WAIT);
    poll_one("reset", server, POLLRDNORM, LONG_WAIT);
    closesocket(server);
    closesocket(listener);
    return 0;
}
