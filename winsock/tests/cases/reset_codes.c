/* One failure, two codes: 64 from a port, 10054 from WSAGetOverlappedResult. (trap 2) */
#include "check.h"

static DWORD routine_code;

static void CALLBACK routine(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)bytes; (void)overlapped; (void)flags;
    routine_code = code;
}

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED overlapped, *out = NULL;
    WSABUF buffer;
    HANDLE port;
    ULONG_PTR key = 0;
    char text[8];
    DWORD flags = 0, bytes = 99;
    begin();
    buffer = buffer_of(text, sizeof text);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    connected(&client, &server);
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    reset(client);
    show_wait("the event", WaitForSingleObject(overlapped.hEvent, LONG_WAIT));
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    show("bytes", (int)bytes);
    TRUTH("GetOverlappedResult", GetOverlappedResult((HANDLE)server, &overlapped, &bytes, FALSE));
    show_hex("Internal", overlapped.Internal);
    yes("HasOverlappedIoCompleted", HasOverlappedIoCompleted(&overlapped));
    closesocket(server);
    connected(&client, &server);
    flags = 0;
    CALL("WSARecv with a routine", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, routine));
    reset(client);
    show_wait("SleepEx", SleepEx(LONG_WAIT, TRUE));
    show_error("the routine's code", routine_code);
    closesocket(server);
    connected(&client, &server);
    port = CreateIoCompletionPort((HANDLE)server, NULL, 3, 0);
    flags = 0;
    CALL("WSARecv on a port", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    reset(client);
    TRUTH("GetQueuedCompletionStatus", GetQueuedCompletionStatus(port, &bytes, &key, &out, LONG_WAIT));
    yes("its block", out == &overlapped);
    show("key", (int)key);
    show("bytes", (int)bytes);
    TRUTH("WSAGetOverlappedResult then", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    flags = 0;
    WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL);
    GetQueuedCompletionStatus(port, &bytes, &key, &out, SHORT_WAIT);
    closesocket(server);
    connected(&client, &server);
    CreateIoCompletionPort((HANDLE)server, port, 4, 0);
    flags = 0;
    out = NULL;
    CALL("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    closesocket(server);
    TRUTH("closed here: the packet", GetQueuedCompletionStatus(port, &bytes, &key, &out, LONG_WAIT));
    yes("its block", out == &overlapped);
    show("key", (int)key);
    closesocket(client);
    CloseHandle(port);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
