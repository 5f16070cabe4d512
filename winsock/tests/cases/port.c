/* Completion ports: association, posted packets, the four outcomes. (traps 28, 29, 31) */
#include "check.h"

static DWORD bytes;
static ULONG_PTR key;
static OVERLAPPED *out;

static void take(const char *what, HANDLE port, DWORD milliseconds) {
    bytes = 9;
    key = 9;
    out = (OVERLAPPED *)(ULONG_PTR)9;
    TRUTH(what, GetQueuedCompletionStatus(port, &bytes, &key, &out, milliseconds));
}

int main(void) {
    HANDLE port, second, event;
    SOCKET client, server, listener;
    SOCKADDR_IN address;
    OVERLAPPED block;
    begin();
    memset(&block, 0, sizeof block);
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    yes("CreateIoCompletionPort", port != NULL);
    take("nothing within the limit", port, SHORT_WAIT);
    yes("no block", out == NULL);
    take("nothing at once", port, 0);
    TRUTH("PostQueuedCompletionStatus", PostQueuedCompletionStatus(port, 12, 34, &block));
    take("what was posted", port, 0);
    show("bytes", (int)bytes);
    show("key", (int)key);
    yes("its block", out == &block);
    PostQueuedCompletionStatus(port, 0, 0, NULL);
    take("a packet of zeros", port, 0);
    show("bytes", (int)bytes);
    show("key", (int)key);
    yes("no block", out == NULL);
    PostQueuedCompletionStatus(port, 1, (ULONG_PTR)-1, (OVERLAPPED *)(ULONG_PTR)0x1234);
    PostQueuedCompletionStatus(port, 2, 0, NULL);
    PostQueuedCompletionStatus(port, 3, 0, NULL);
    take("any block", port, 0);
    yes("as it was posted", out == (OVERLAPPED *)(ULONG_PTR)0x1234 && key == (ULONG_PTR)-1);
    take("second", port, 0);
    show("in order", (int)bytes);
    take("third", port, 0);
    show("in order", (int)bytes);
    connected(&client, &server);
    yes("association returns the port", CreateIoCompletionPort((HANDLE)server, port, 7, 55) == port);
    TRUTH("a second association", CreateIoCompletionPort((HANDLE)server, port, 8, 0));
    second = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    TRUTH("with another port", CreateIoCompletionPort((HANDLE)server, second, 8, 0));
    CloseHandle(second);
    second = CreateIoCompletionPort((HANDLE)client, NULL, 3, 0);
    yes("made and associated at once", second != NULL && second != port);
    CloseHandle(second);
    listener = listener_at(&address);
    yes("a listener", CreateIoCompletionPort((HANDLE)listener, port, 1, 0) == port);
    closesocket(listener);
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    TRUTH("an event", CreateIoCompletionPort(event, port, 1, 0));
    TRUTH("INVALID_HANDLE_VALUE with a port", CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 1, 0));
    TRUTH("a closed socket", CreateIoCompletionPort((HANDLE)listener, port, 1, 0));
    TRUTH("an event for a port", CreateIoCompletionPort((HANDLE)client, event, 1, 0));
    take("a wait on an event", event, 0);
    TRUTH("a post to an event", PostQueuedCompletionStatus(event, 0, 0, NULL));
    take("a wait on NULL", NULL, 0);
    yes("no block", out == NULL);
    TRUTH("CloseHandle", CloseHandle(port));
    take("a closed port", port, 0);
    TRUTH("a post to it", PostQueuedCompletionStatus(port, 0, 0, NULL));
    closesocket(client);
    closesocket(server);
    CloseHandle(event);
    return 0;
}
