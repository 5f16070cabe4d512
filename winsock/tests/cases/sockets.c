/* Sockets as handles: closing by CloseHandle, waiting on them, values, kinds. (traps 10, 16, 17, 25) */
#include "check.h"

int main(void) {
    SOCKET s, client, server, plain;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    DWORD flags = 0, bytes = 0;
    char text[8];
    int i, different = 1;
    SOCKET values[20];
    begin();
    s = tcp();
    TRUTH("CloseHandle of a socket", CloseHandle((HANDLE)s));
    CALL("closesocket then", closesocket(s));
    for (i = 0; i < 20; i++) values[i] = tcp();
    for (i = 1; i < 20; i++)
        if (values[i] == values[i - 1]) different = 0;
    yes("open sockets differ", different);
    for (i = 0; i < 20; i++) closesocket(values[i]);
    CALL("closesocket of an event", (s = (SOCKET)WSACreateEvent(), closesocket(s)));
    TRUTH("the event is left", WSACloseEvent((WSAEVENT)s));
    connected(&client, &server);
    buffer = buffer_of(text, sizeof text);
    memset(&overlapped, 0, sizeof overlapped);
    CALL("WSARecv without an event", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    show_wait("the socket while it waits", WaitForSingleObject((HANDLE)server, SHORT_WAIT));
    send(client, "data", 4, 0);
    show_wait("the socket when it ends", WaitForSingleObject((HANDLE)server, LONG_WAIT));
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    show("bytes", (int)bytes);
    plain = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
    yes("a socket that isn't overlapped", plain != INVALID_SOCKET);
    closesocket(plain);
    plain = WSASocketA(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    yes("WSASocketA", plain != INVALID_SOCKET);
    closesocket(plain);
    plain = socket(AF_INET, 0, 0);
    yes("no type", plain != INVALID_SOCKET);
    closesocket(plain);
    MAKES("no family", socket(AF_UNSPEC, SOCK_STREAM, 0));
    MAKES("no family, but a protocol", socket(AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP));
    MAKES("UDP as a stream", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    CALL("WSAGetOverlappedResult's event closed", (overlapped.hEvent = WSACreateEvent(), WSACloseEvent(overlapped.hEvent), 0));
    flags = 0;
    CALL("WSARecv with a closed event", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    closesocket(client);
    closesocket(server);
    return 0;
}
