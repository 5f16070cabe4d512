/* select with sets that are arrays of sockets. (trap 41) */
#define FD_SETSIZE 128
#include "check.h"

int main(void) {
    SOCKADDR_IN address;
    SOCKET listener, client, server, many[70];
    fd_set reading, writing;
    struct timeval now = { 0, 0 }, limit = { 5, 0 };
    int i;
    begin();
    show("sizeof fd_set", sizeof(fd_set));
    CALL("no set at all", select(0, NULL, NULL, NULL, &now));
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    CALL("empty sets", select(0, &reading, &writing, NULL, &now));
    listener = listener_at(&address);
    FD_SET(listener, &reading);
    FD_SET(listener, &reading);
    show("fd_count after two equal FD_SETs", reading.fd_count);
    yes("fd_array holds the socket", reading.fd_array[0] == listener);
    CALL("nobody connects", select(0, &reading, NULL, NULL, &now));
    show("fd_count", reading.fd_count);
    FD_SET(listener, &reading);
    client = connected_to(&address);
    CALL("a client", select(0, &reading, NULL, NULL, &limit));
    yes("FD_ISSET", FD_ISSET(listener, &reading) != 0);
    show("the limit is untouched", limit.tv_sec);
    server = accept(listener, NULL, NULL);
    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_SET(client, &reading);
    FD_SET(server, &reading);
    FD_SET(client, &writing);
    FD_SET(server, &writing);
    send(client, "a", 1, 0);
    arrived(server, 1);
    CALL("two writable, one readable", select(-5, &reading, &writing, NULL, &limit));
    show("readable", reading.fd_count);
    yes("it is the server's", reading.fd_array[0] == server);
    show("writable", writing.fd_count);
    FD_CLR(client, &writing);
    show("writable after FD_CLR", writing.fd_count);
    yes("the other is left", writing.fd_array[0] == server);
    FD_ZERO(&reading);
    FD_SET(client, &reading);
    CALL("nothing within the limit", (limit.tv_sec = 0, limit.tv_usec = 20000, select(0, &reading, NULL, NULL, &limit)));
    closesocket(server);
    FD_ZERO(&reading);
    FD_SET(client, &reading);
    CALL("the peer's end is readable", (limit.tv_sec = 5, select(0, &reading, NULL, NULL, &limit)));
    FD_ZERO(&reading);
    FD_SET(client, &reading);
    FD_SET(server, &reading);
    CALL("a closed socket among them", select(0, &reading, NULL, NULL, &now));
    FD_ZERO(&writing);
    for (i = 0; i < 70; i++) {
        many[i] = udp();
        bound(many[i]);
        FD_SET(many[i], &writing);
    }
    CALL("70 sockets", select(0, NULL, &writing, NULL, &limit));
    show("writable", writing.fd_count);
    for (i = 0; i < 70; i++) closesocket(many[i]);
    closesocket(client);
    closesocket(listener);
    return 0;
}
