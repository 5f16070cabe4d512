/* One cell for both error calls, one for each thread, and what touches it. (traps 1, 4) */
#include "check.h"

static DWORD WINAPI other(LPVOID nothing) {
    (void)nothing;
    show_error("a new thread's code", GetLastError());
    WSASetLastError(WSAEINTR);
    return WSAGetLastError();
}

int main(void) {
    SOCKET client, server, closed;
    HANDLE thread;
    DWORD code = 0;
    char byte;
    begin();
    closed = tcp();
    closesocket(closed);
    WSASetLastError(1234);
    show("WSASetLastError, then GetLastError", GetLastError());
    SetLastError(4321);
    show("SetLastError, then WSAGetLastError", WSAGetLastError());
    send(closed, "a", 1, 0);
    show_error("a failed send, GetLastError", GetLastError());
    show_error("and WSAGetLastError", WSAGetLastError());
    SetLastError(77);
    show("htonl keeps the code", (htonl(1), GetLastError()));
    WaitForSingleObject(NULL, 0);
    show_error("a failed wait, WSAGetLastError", WSAGetLastError());
    connected(&client, &server);
    SetLastError(78);
    send(client, "a", 1, 0);
    yes("a send that succeeds leaves no error of its own", GetLastError() == 78 || GetLastError() == 0);
    arrived(server, 1);
    recv(server, &byte, 1, 0);
    WSASetLastError(55);
    thread = CreateThread(NULL, 0, other, NULL, 0, NULL);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    show_error("the other thread's code", code);
    show("ours is untouched", WSAGetLastError());
    CloseHandle(thread);
    show("WSA_IO_PENDING", WSA_IO_PENDING);
    show("WSA_IO_INCOMPLETE", WSA_IO_INCOMPLETE);
    show("WSA_OPERATION_ABORTED", WSA_OPERATION_ABORTED);
    show("WSA_INVALID_HANDLE", WSA_INVALID_HANDLE);
    show("WSA_NOT_ENOUGH_MEMORY", WSA_NOT_ENOUGH_MEMORY);
    show("WSA_INVALID_PARAMETER", WSA_INVALID_PARAMETER);
    yes("pending is one number", WSA_IO_PENDING == ERROR_IO_PENDING);
    closesocket(client);
    closesocket(server);
    return 0;
}
