/* More buffers in one call than the system takes at once: nothing is cut. */
#include "../cases/check.h"

#define MANY 3000

static char bytes_of[MANY];
static WSABUF buffers[MANY];

static void pattern(void) {
    int i;
    for (i = 0; i < MANY; i++) {
        bytes_of[i] = (char)('a' + i % 23);
        buffers[i] = buffer_of(bytes_of + i, 1);
    }
}

static int follows_pattern(const char *text, int count) {
    int i;
    for (i = 0; i < count; i++)
        if (text[i] != (char)('a' + i % 23)) return 0;
    return count > 0;
}

int main(void) {
    SOCKET a, b, client, server;
    SOCKADDR_IN at_a, at_b;
    WSAOVERLAPPED overlapped;
    WSABUF whole;
    static char text[2 * MANY];
    DWORD bytes = 0, flags = 0;
    begin();
    a = udp();
    b = udp();
    at_a = bound(a);
    at_b = bound(b);
    connect(a, (SOCKADDR *)&at_b, sizeof at_b);
    connect(b, (SOCKADDR *)&at_a, sizeof at_a);
    impatient(a);
    impatient(b);
    pattern();
    CALL("a datagram of many buffers", WSASend(a, buffers, MANY, &bytes, 0, NULL, NULL));
    show("bytes", bytes);
    CALL("arrives", recv(b, text, sizeof text, 0));
    yes("as it was", follows_pattern(text, MANY));
    CALL("by WSASendTo", WSASendTo(a, buffers, MANY, &bytes, 0, NULL, 0, NULL, NULL));
    CALL("arrives", recv(b, text, sizeof text, 0));
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    CALL("overlapped", WSASend(a, buffers, MANY, NULL, 0, &overlapped, NULL));
    CALL("arrives", recv(b, text, sizeof text, 0));

    memset(text, 0, sizeof text);
    send(a, bytes_of, MANY, 0);
    memset(bytes_of, 0, MANY);
    CALL("a datagram into many buffers", WSARecv(b, buffers, MANY, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    yes("as it was", follows_pattern(bytes_of, MANY));
    memset(bytes_of, 0, MANY);
    STARTED("overlapped", WSARecv(b, buffers, MANY, NULL, &flags, &overlapped, NULL));
    pattern();
    memcpy(text, bytes_of, MANY);
    memset(bytes_of, 0, MANY);
    send(a, text, MANY, 0);
    show_result("its end", b, &overlapped);
    yes("as it was", follows_pattern(bytes_of, MANY));

    connected(&client, &server);
    impatient(server);
    pattern();
    CALL("a stream's send of many", WSASend(client, buffers, MANY, &bytes, 0, NULL, NULL));
    show("bytes", bytes);
    whole = buffer_of(text, MANY);
    flags = MSG_WAITALL;
    memset(text, 0, sizeof text);
    CALL("arrives", WSARecv(server, &whole, 1, &bytes, &flags, NULL, NULL));
    yes("as it was", follows_pattern(text, MANY));
    send(client, text, MANY, 0);
    memset(bytes_of, 0, MANY);
    flags = MSG_WAITALL;
    CALL("into many", WSARecv(server, buffers, MANY, &bytes, &flags, NULL, NULL));
    show("bytes", bytes);
    yes("as it was", follows_pattern(bytes_of, MANY));
    return 0;
}
