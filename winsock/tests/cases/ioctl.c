/* WSAIoctl: extension functions, keep-alive, refusals. (trap 34) */
#include "check.h"
#include <mstcpip.h>

static void load(const char *name, SOCKET s, GUID id) {
    char what[80];
    void *function = NULL;
    DWORD bytes = 0;
    sprintf(what, "load %s", name);
    CALL(what, WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, &bytes, NULL, NULL));
    printf("  a function: %s, bytes %d\n", function ? "yes" : "no", (int)bytes);
}

#define LOAD(name) do { GUID id = name; load(#name, s, id); } while (0)

int main(void) {
    SOCKET s, client, server;
    struct tcp_keepalive keep;
    GUID nobody = { 1, 2, 3, { 4, 5, 6, 7, 8, 9, 10, 11 } }, id = WSAID_ACCEPTEX;
    void *function = NULL;
    DWORD bytes = 0;
    u_long value = 1;
    begin();
    s = tcp();
    LOAD(WSAID_ACCEPTEX); LOAD(WSAID_CONNECTEX); LOAD(WSAID_DISCONNECTEX); LOAD(WSAID_GETACCEPTEXSOCKADDRS);
    LOAD(WSAID_TRANSMITFILE); LOAD(WSAID_WSARECVMSG);
    load("a function that nobody has", s, nobody);
    CALL("with little room", WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, 4, &bytes, NULL, NULL));
    CALL("without a count", WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, NULL, NULL, NULL));
    memset(&keep, 0, sizeof keep);
    keep.onoff = 1;
    keep.keepalivetime = 30000;
    keep.keepaliveinterval = 2000;
    CALL("SIO_KEEPALIVE_VALS", WSAIoctl(s, SIO_KEEPALIVE_VALS, &keep, sizeof keep, NULL, 0, &bytes, NULL, NULL));
    CALL("with a short value", WSAIoctl(s, SIO_KEEPALIVE_VALS, &keep, 4, NULL, 0, &bytes, NULL, NULL));
    CALL("WSAIoctl FIONBIO", WSAIoctl(s, FIONBIO, &value, sizeof value, NULL, 0, &bytes, NULL, NULL));
    CALL("an unknown code", WSAIoctl(s, 0x98001234, NULL, 0, NULL, 0, &bytes, NULL, NULL));
    closesocket(s);
    CALL("a closed socket", WSAIoctl(s, FIONBIO, &value, sizeof value, NULL, 0, &bytes, NULL, NULL));
    connected(&client, &server);
    send(client, "four", 4, 0);
    arrived(server, 4);
    value = 0;
    CALL("WSAIoctl FIONREAD", WSAIoctl(server, FIONREAD, NULL, 0, &value, sizeof value, &bytes, NULL, NULL));
    show("value", (int)value);
    show("bytes", (int)bytes);
    closesocket(client);
    closesocket(server);
    return 0;
}
