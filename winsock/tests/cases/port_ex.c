/* GetQueuedCompletionStatusEx: several packets at once, and alertable waits. (traps 21, 28) */
#include "check.h"

static int apcs;
static void CALLBACK apc(ULONG_PTR number) { (void)number; apcs++; }

int main(void) {
    HANDLE port;
    OVERLAPPED_ENTRY entries[4];
    SOCKET client, server;
    WSAOVERLAPPED block;
    WSABUF buffer;
    DWORD flags = 0, bytes = 0;
    ULONG_PTR key;
    OVERLAPPED *out;
    ULONG count = 99;
    char text[8];
    int i;
    begin();
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    TRUTH("nothing", GetQueuedCompletionStatusEx(port, entries, 4, &count, SHORT_WAIT, FALSE));
    for (i = 0; i < 6; i++) PostQueuedCompletionStatus(port, (DWORD)i, (ULONG_PTR)(10 + i), NULL);
    TRUTH("six packets, room for four", GetQueuedCompletionStatusEx(port, entries, 4, &count, LONG_WAIT, FALSE));
    show("count", (int)count);
    show("first key", (int)entries[0].lpCompletionKey);
    show("last key", (int)entries[3].lpCompletionKey);
    show("last bytes", (int)entries[3].dwNumberOfBytesTransferred);
    TRUTH("the rest", GetQueuedCompletionStatusEx(port, entries, 4, &count, LONG_WAIT, FALSE));
    show("count", (int)count);
    show("first key", (int)entries[0].lpCompletionKey);
    QueueUserAPC(apc, GetCurrentThread(), 0);
    TRUTH("not alertable", GetQueuedCompletionStatusEx(port, entries, 4, &count, SHORT_WAIT, FALSE));
    show("no APC", apcs);
    TRUTH("GetQueuedCompletionStatus", GetQueuedCompletionStatus(port, &bytes, &key, &out, SHORT_WAIT));
    show("no APC", apcs);
    SetLastError(0);
    i = GetQueuedCompletionStatusEx(port, entries, 4, &count, LONG_WAIT, TRUE);
    show("alertable", i);
    show_wait("its code", GetLastError());
    show("an APC", apcs);
    connected(&client, &server);
    CreateIoCompletionPort((HANDLE)server, port, 5, 0);
    memset(&block, 0, sizeof block);
    buffer = buffer_of(text, sizeof text);
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &block, NULL));
    CancelIoEx((HANDLE)server, &block);
    TRUTH("a failed operation counts as a packet", GetQueuedCompletionStatusEx(port, entries, 4, &count, LONG_WAIT, FALSE));
    show("count", (int)count);
    yes("its block", entries[0].lpOverlapped == &block);
    show_hex("Internal of the block", block.Internal);
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &block, &bytes, FALSE, &flags));
    closesocket(client);
    closesocket(server);
    CloseHandle(port);
    TRUTH("a closed port", GetQueuedCompletionStatusEx(port, entries, 4, &count, 0, FALSE));
    return 0;
}
