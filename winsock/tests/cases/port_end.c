/* A port that is closed with waiters and with sockets; who is woken. (traps 29, 32) */
#include "check.h"

static HANDLE port;
static DWORD codes[3];

static DWORD WINAPI waiter(LPVOID parameter) {
    DWORD bytes, *code = (DWORD *)parameter;
    ULONG_PTR key;
    OVERLAPPED *out = (OVERLAPPED *)(ULONG_PTR)9;
    *code = GetQueuedCompletionStatus(port, &bytes, &key, &out, 10 * SHORT_WAIT) ? (DWORD)key : GetLastError();
    return out == NULL;
}

int main(void) {
    HANDLE threads[3];
    SOCKET client, server;
    WSAOVERLAPPED block;
    WSABUF buffer;
    DWORD flags = 0, code = 0, bytes;
    ULONG_PTR key;
    OVERLAPPED *out;
    char text[8];
    int i;
    begin();
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    for (i = 0; i < 3; i++) threads[i] = CreateThread(NULL, 0, waiter, &codes[i], 0, NULL);
    Sleep(2 * SHORT_WAIT);
    TRUTH("CloseHandle with three waiters", CloseHandle(port));
    show_wait("they all end", WaitForMultipleObjects(3, threads, TRUE, LONG_WAIT));
    for (i = 0; i < 3; i++) {
        show_error("code", codes[i]);
        GetExitCodeThread(threads[i], &code);
        yes("no block", code == 1);
        CloseHandle(threads[i]);
    }
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    for (i = 0; i < 3; i++) threads[i] = CreateThread(NULL, 0, waiter, &codes[i], 0, NULL);
    Sleep(2 * SHORT_WAIT);
    for (i = 0; i < 3; i++) PostQueuedCompletionStatus(port, 0, 5, NULL);
    show_wait("three packets for three waiters", WaitForMultipleObjects(3, threads, TRUE, LONG_WAIT));
    for (i = 0; i < 3; i++) {
        show("key", (int)codes[i]);
        CloseHandle(threads[i]);
    }
    TRUTH("none is left", GetQueuedCompletionStatus(port, &bytes, &key, &out, 0));
    connected(&client, &server);
    CreateIoCompletionPort((HANDLE)server, port, 1, 0);
    CloseHandle(port);
    memset(&block, 0, sizeof block);
    block.hEvent = WSACreateEvent();
    buffer = buffer_of(text, sizeof text);
    CALL("WSARecv on the socket of a closed port", WSARecv(server, &buffer, 1, NULL, &flags, &block, NULL));
    send(client, "ab", 2, 0);
    show_result("ends", server, &block);
    closesocket(client);
    closesocket(server);
    WSACloseEvent(block.hEvent);
    return 0;
}
