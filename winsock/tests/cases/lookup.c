/* getaddrinfo, getnameinfo, gethostbyname and the conversions of whole addresses. (trap 49) */
#include "check.h"

static void look(const char *what, const char *host, const char *service, int flags, int family, int type) {
    struct addrinfo hints, *list = NULL, *one;
    char text[64];
    int count = 0, code;
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = flags;
    hints.ai_family = family;
    hints.ai_socktype = type;
    code = getaddrinfo(host, service, &hints, &list);
    if (code) {
        printf("%s: fails, %s\n", what, error_name((DWORD)code));
        return;
    }
    for (one = list; one; one = one->ai_next) count++;
    inet_ntop(list->ai_family, list->ai_family == AF_INET ? (void *)&((SOCKADDR_IN *)list->ai_addr)->sin_addr
        : (void *)&((SOCKADDR_IN6 *)list->ai_addr)->sin6_addr, text, sizeof text);
    printf("%s: %d, first %s, family %d, type %d, port %d, length %d\n", what, count, text, list->ai_family,
        list->ai_socktype, ntohs(((SOCKADDR_IN *)list->ai_addr)->sin_port), (int)list->ai_addrlen);
    freeaddrinfo(list);
}

int main(void) {
    SOCKADDR_IN address = loopback(4660), parsed;
    SOCKADDR_IN6 six;
    struct hostent *host;
    char text[64], service[32];
    WCHAR wide[64];
    DWORD length;
    int size;
    begin();
    look("numeric", "127.0.0.1", "80", 0, AF_INET, SOCK_STREAM);
    look("numeric only", "127.0.0.1", "8080", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    look("a name for numeric only", "localhost.", "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    look("IPv6", "::1", "443", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    look("to bind, IPv4", NULL, "7777", AI_PASSIVE, AF_INET, SOCK_STREAM);
    look("to connect, IPv4", NULL, "7777", 0, AF_INET, SOCK_DGRAM);
    look("localhost", "localhost", "1", 0, AF_INET, SOCK_STREAM);
    look("nothing", NULL, NULL, 0, AF_INET, SOCK_STREAM);
    look("an impossible name", "no.such.name.invalid", "80", AI_NUMERICHOST, AF_INET, SOCK_STREAM);
    look("IPv4 for an IPv6 address", "::1", "80", AI_NUMERICHOST, AF_INET, SOCK_STREAM);
    look("an unknown family", "127.0.0.1", "80", 0, 99, SOCK_STREAM);
    show_error("getnameinfo", (DWORD)getnameinfo((SOCKADDR *)&address, sizeof address, text, sizeof text, service,
        sizeof service, NI_NUMERICHOST | NI_NUMERICSERV));
    show_text("host", text);
    show_text("service", service);
    show_error("getnameinfo with a short address", (DWORD)getnameinfo((SOCKADDR *)&address, 4, text, sizeof text, NULL, 0, NI_NUMERICHOST));
    host = gethostbyname("127.0.0.1");
    yes("gethostbyname", host != NULL);
    if (host) {
        show("type", host->h_addrtype);
        show("length", host->h_length);
        show_text("address", inet_ntoa(*(IN_ADDR *)host->h_addr_list[0]));
        yes("one address", host->h_addr_list[1] == NULL);
    }
    host = gethostbyname("localhost");
    yes("localhost is 127.0.0.1", host && *(u_long *)host->h_addr_list[0] == htonl(INADDR_LOOPBACK));
    yes("gethostbyname(\"\") is this machine", gethostbyname("") != NULL);
    TRUTH("gethostname with little room", gethostname(text, 1) == 0);
    length = sizeof text;
    CALL("WSAAddressToStringA", WSAAddressToStringA((SOCKADDR *)&address, sizeof address, NULL, text, &length));
    show_text("text", text);
    show("length", (int)length);
    length = 3;
    CALL("with little room", WSAAddressToStringA((SOCKADDR *)&address, sizeof address, NULL, text, &length));
    show("length that it needs", (int)length);
    address.sin_port = 0;
    length = 64;
    CALL("WSAAddressToStringW without a port", WSAAddressToStringW((SOCKADDR *)&address, sizeof address, NULL, wide, &length));
    WideCharToMultiByte(CP_ACP, 0, wide, -1, text, sizeof text, NULL, NULL);
    show_text("text", text);
    memset(&six, 0, sizeof six);
    six.sin6_family = AF_INET6;
    six.sin6_addr.s6_addr[15] = 1;
    six.sin6_port = htons(99);
    length = sizeof text;
    CALL("of IPv6", WSAAddressToStringA((SOCKADDR *)&six, sizeof six, NULL, text, &length));
    show_text("text", text);
    size = sizeof parsed;
    memset(&parsed, 0, sizeof parsed);
    CALL("WSAStringToAddressA", WSAStringToAddressA((char *)"1.2.3.4:80", AF_INET, NULL, (SOCKADDR *)&parsed, &size));
    show_text("address", inet_ntoa(parsed.sin_addr));
    show("port", ntohs(parsed.sin_port));
    size = sizeof parsed;
    CALL("of nonsense", WSAStringToAddressA((char *)"nonsense", AF_INET, NULL, (SOCKADDR *)&parsed, &size));
    size = 4;
    CALL("into little room", WSAStringToAddressA((char *)"1.2.3.4", AF_INET, NULL, (SOCKADDR *)&parsed, &size));
    return 0;
}
