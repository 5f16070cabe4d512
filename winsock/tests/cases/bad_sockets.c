/* Values that are no socket: refused by every call, and no other program's descriptor is touched. */
#include "check.h"

static void every_call(const char *kind, SOCKET s) {
    SOCKADDR_IN address = loopback(1);
    char text[8];
    DWORD bytes = 0, flags = 0;
    int size = sizeof address, value = 0;
    u_long on = 1;
    WSABUF buffer = buffer_of(text, sizeof text);
    WSAPOLLFD poll;
    fd_set set;
    struct timeval now = { 0, 0 };
    printf("%s\n", kind);
    CALL("bind", bind(s, (SOCKADDR *)&address, size));
    CALL("listen", listen(s, 1));
    MAKES("accept", accept(s, NULL, NULL));
    CALL("connect", connect(s, (SOCKADDR *)&address, size));
    CALL("send", send(s, text, 1, 0));
    CALL("recv", recv(s, text, 1, 0));
    CALL("sendto", sendto(s, text, 1, 0, (SOCKADDR *)&address, size));
    CALL("recvfrom", recvfrom(s, text, 1, 0, NULL, NULL));
    CALL("WSASend", WSASend(s, &buffer, 1, &bytes, 0, NULL, NULL));
    CALL("WSARecv", WSARecv(s, &buffer, 1, &bytes, &flags, NULL, NULL));
    CALL("shutdown", shutdown(s, SD_BOTH));
    CALL("getsockname", getsockname(s, (SOCKADDR *)&address, &size));
    CALL("getpeername", getpeername(s, (SOCKADDR *)&address, &size));
    size = sizeof value;
    CALL("getsockopt", getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&value, &size));
    CALL("setsockopt", setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, sizeof value));
    CALL("ioctlsocket", ioctlsocket(s, FIONBIO, &on));
    CALL("WSAEventSelect", WSAEventSelect(s, NULL, 0));
    FD_ZERO(&set);
    FD_SET(s, &set);
    CALL("select", select(0, &set, NULL, NULL, &now));
    poll.fd = s;
    poll.events = POLLRDNORM;
    poll.revents = 0;
    show("WSAPoll of it and none else", WSAPoll(&poll, 1, 0));
    CALL("closesocket", closesocket(s));
}

int main(void) {
    SOCKET closed;
    HANDLE event;
    begin();
    closed = tcp();
    closesocket(closed);
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    every_call("INVALID_SOCKET", INVALID_SOCKET);
    every_call("a closed socket", closed);
    every_call("zero", 0);
    every_call("a number that is no handle", 0x7ffffff0);
    CALL("send on an event", send((SOCKET)event, "a", 1, 0));
    CALL("listen on an event", listen((SOCKET)event, 1));
    show_wait("the event is still there", WaitForSingleObject(event, 0));
    TRUTH("CloseHandle", CloseHandle(event));
    TRUTH("CloseHandle twice", CloseHandle(event));
    TRUTH("SetEvent on a closed event", SetEvent(event));
    return 0;
}
