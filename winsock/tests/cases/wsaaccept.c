/* WSAAccept's condition function, WSAConnect, and sockets that are handed on. (trap 51) */
#include "check.h"

static int answer, calls;
static SOCKADDR_IN expected;

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos, LPWSABUF callee,
    LPWSABUF callee_data, GROUP *group, DWORD_PTR data) {
    (void)caller_data; (void)sqos; (void)gqos; (void)callee; (void)callee_data; (void)group;
    calls++;
    yes("  the caller's address", caller && caller->len >= sizeof(SOCKADDR_IN)
        && ((SOCKADDR_IN *)caller->buf)->sin_addr.s_addr == expected.sin_addr.s_addr);
    show("  the program's value", (int)data);
    return answer;
}

int main(void) {
    SOCKET listener, client, server, copy;
    SOCKADDR_IN address, name;
    WSAPROTOCOL_INFOW info;
    char text[16];
    int size = sizeof name, got;
    begin();
    expected = loopback(0);
    listener = listener_at(&address);
    client = tcp();
    CALL("WSAConnect", WSAConnect(client, (SOCKADDR *)&address, sizeof address, NULL, NULL, NULL, NULL));
    answer = CF_ACCEPT;
    server = WSAAccept(listener, (SOCKADDR *)&name, &size, condition, 42);
    yes("accepted", server != INVALID_SOCKET);
    show("calls", calls);
    show("size of the address", size);
    CALL("WSADuplicateSocketW", WSADuplicateSocketW(server, GetCurrentProcessId(), &info));
    copy = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED);
    yes("a second socket", copy != INVALID_SOCKET && copy != server);
    send(client, "first", 5, 0);
    CALL("recv from one", recv(server, text, sizeof text, 0));
    CALL("closesocket of one", closesocket(server));
    send(client, "second", 6, 0);
    CALL("recv from the other", recv(copy, text, sizeof text, 0));
    CALL("send on it", send(copy, "answer", 6, 0));
    got = recv(client, text, 6, MSG_WAITALL);
    show_bytes("arrives", text, got);
    closesocket(copy);
    CALL("the end, after both", recv(client, text, sizeof text, 0));
    closesocket(client);
    client = connected_to(&address);
    answer = CF_REJECT;
    MAKES("rejected", WSAAccept(listener, NULL, NULL, condition, 43));
    show("calls", calls);
    yes("the client is told", recv(client, text, sizeof text, 0) <= 0);
    closesocket(client);
    client = connected_to(&address);
    MAKES("without a condition", WSAAccept(listener, NULL, NULL, NULL, 0));
    closesocket(client);
    CALL("WSADuplicateSocketW of a closed socket", WSADuplicateSocketW(client, GetCurrentProcessId(), &info));
    closesocket(listener);
    MAKES("WSAAccept on a closed socket", WSAAccept(listener, NULL, NULL, condition, 0));
    return 0;
}
