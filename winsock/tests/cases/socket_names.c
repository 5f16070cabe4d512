/* getsockname and getpeername: sizes, families, refusals; the same for IPv6. */
#include "check.h"

int main(void) {
    SOCKADDR_IN address, name;
    SOCKADDR_IN6 six;
    SOCKADDR_STORAGE large;
    SOCKET client, server, s;
    DWORD off = 0;
    int size;
    begin();
    connected(&client, &server);
    size = sizeof large;
    CALL("getsockname", getsockname(client, (SOCKADDR *)&large, &size));
    show("size", size);
    address = *(SOCKADDR_IN *)&large;
    size = sizeof name;
    CALL("getpeername", getpeername(server, (SOCKADDR *)&name, &size));
    yes("the peer's name is the client's", name.sin_port == address.sin_port);
    size = 8;
    CALL("getsockname with little room", getsockname(client, (SOCKADDR *)&name, &size));
    size = 8;
    CALL("getpeername with little room", getpeername(client, (SOCKADDR *)&name, &size));
    size = sizeof name;
    closesocket(server);
    readable(client, LONG_WAIT);
    CALL("getpeername after the peer's end", getpeername(client, (SOCKADDR *)&name, &size));
    closesocket(client);
    s = tcp();
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    CALL("bind to every address", bind(s, (SOCKADDR *)&address, sizeof address));
    size = sizeof name;
    getsockname(s, (SOCKADDR *)&name, &size);
    show_text("its name", inet_ntoa(name.sin_addr));
    closesocket(s);

    s = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    memset(&six, 0, sizeof six);
    six.sin6_family = AF_INET6;
    six.sin6_addr.s6_addr[15] = 1;
    CALL("bind of an IPv6 socket", bind(s, (SOCKADDR *)&six, sizeof six));
    size = sizeof six;
    CALL("getsockname", getsockname(s, (SOCKADDR *)&six, &size));
    show("size", size);
    show("family", six.sin6_family);
    CALL("listen", listen(s, 5));
    client = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    CALL("connect", connect(client, (SOCKADDR *)&six, sizeof six));
    size = sizeof large;
    server = accept(s, (SOCKADDR *)&large, &size);
    yes("accept", server != INVALID_SOCKET);
    show("family of the peer", large.ss_family);
    show("size of the peer's name", size);
    closesocket(client);
    closesocket(server);
    closesocket(s);

    s = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    CALL("both families", setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&off, sizeof off));
    memset(&six, 0, sizeof six);
    six.sin6_family = AF_INET6;
    CALL("bind", bind(s, (SOCKADDR *)&six, sizeof six));
    size = sizeof six;
    getsockname(s, (SOCKADDR *)&six, &size);
    listen(s, 5);
    address = loopback(ntohs(six.sin6_port));
    client = connected_to(&address);
    size = sizeof six;
    server = accept(s, (SOCKADDR *)&six, &size);
    yes("an IPv4 client's address is mapped", IN6_IS_ADDR_V4MAPPED(&six.sin6_addr));
    closesocket(client);
    closesocket(server);
    closesocket(s);
    return 0;
}
