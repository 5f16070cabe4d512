/* A blocking client and a server: every call of the first chapter of a textbook. */
#include "check.h"

static DWORD WINAPI client(LPVOID parameter) {
    SOCKET s = connected_to((SOCKADDR_IN *)parameter);
    char text[64];
    int got;
    send(s, "hello", 5, 0);
    got = recv(s, text, sizeof text, 0);
    send(s, text, got, 0);
    shutdown(s, SD_SEND);
    got = recv(s, text, sizeof text, 0);
    closesocket(s);
    return (DWORD)got;
}

int main(void) {
    SOCKADDR_IN address, peer;
    SOCKET listener, s;
    HANDLE thread;
    char text[64];
    DWORD code = 9;
    int size = sizeof peer, got;
    begin();
    listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    yes("socket", listener != INVALID_SOCKET);
    address = loopback(0);
    CALL("bind", bind(listener, (SOCKADDR *)&address, sizeof address));
    size = sizeof address;
    CALL("getsockname", getsockname(listener, (SOCKADDR *)&address, &size));
    show("size of the name", size);
    yes("a port was chosen", address.sin_port != 0);
    CALL("listen", listen(listener, SOMAXCONN));
    thread = CreateThread(NULL, 0, client, &address, 0, NULL);
    memset(&peer, 0, sizeof peer);
    size = sizeof peer;
    s = accept(listener, (SOCKADDR *)&peer, &size);
    yes("accept", s != INVALID_SOCKET);
    show("family of the peer", peer.sin_family);
    show_text("address of the peer", inet_ntoa(peer.sin_addr));
    yes("port of the peer", peer.sin_port != 0);
    show("size of the peer's name", size);
    got = recv(s, text, sizeof text, 0);
    show_bytes("recv", text, got);
    CALL("send", send(s, "answer", 6, 0));
    got = 0;
    while (got < 6) {
        int more = recv(s, text + got, (int)sizeof text - got, 0);
        if (more <= 0) break;
        got += more;
    }
    show_bytes("what comes back", text, got);
    CALL("recv at the end", recv(s, text, sizeof text, 0));
    CALL("recv at the end again", recv(s, text, sizeof text, 0));
    CALL("shutdown", shutdown(s, SD_BOTH));
    CALL("closesocket", closesocket(s));
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    show("the client's last recv", (int)code);
    CloseHandle(thread);
    CALL("closesocket of the listener", closesocket(listener));
    CALL("closesocket twice", closesocket(listener));
    CALL("WSACleanup", WSACleanup());
    return 0;
}
