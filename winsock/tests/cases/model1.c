/* Overlapped receives and sends with an event. (traps 8, 11, 12, 14) */
#include "check.h"

static DWORD WINAPI send_later(LPVOID s) {
    Sleep(SHORT_WAIT);
    send((SOCKET)s, "automatic", 9, 0);
    return 0;
}

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    char text[32], guard;
    DWORD bytes, flags = 0;
    begin();
    connected(&client, &server);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    WSASetEvent(overlapped.hEvent);
    buffer = buffer_of(text, sizeof text);
    bytes = 4711;
    CALL("WSARecv", WSARecv(server, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("the count is untouched", (int)bytes);
    show_hex("Internal", overlapped.Internal);
    yes("HasOverlappedIoCompleted", HasOverlappedIoCompleted(&overlapped));
    show_wait("the event was reset", WaitForSingleObject(overlapped.hEvent, 0));
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    TRUTH("GetOverlappedResult", GetOverlappedResult((HANDLE)server, &overlapped, &bytes, FALSE));
    buffer.buf = &guard; /* the array of buffers was read by the start */
    buffer.len = 1;
    send(client, "hello", 5, 0);
    show_wait("the event", WaitForSingleObject(overlapped.hEvent, LONG_WAIT));
    show_hex("Internal", overlapped.Internal);
    show("InternalHigh", (int)overlapped.InternalHigh);
    yes("HasOverlappedIoCompleted", HasOverlappedIoCompleted(&overlapped));
    flags = 99;
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    show("bytes", (int)bytes);
    show("flags", (int)flags);
    show_bytes("data", text, (int)bytes);
    TRUTH("WSAGetOverlappedResult again", WSAGetOverlappedResult(server, &overlapped, &bytes, TRUE, &flags));
    show_wait("the event stays set", WaitForSingleObject(overlapped.hEvent, 0));
    buffer = buffer_of(text, sizeof text);
    STARTED("WSASend with the same block", WSASend(server, &buffer, 1, NULL, 0, &overlapped, NULL));
    show_result("it ends", server, &overlapped);
    recv(client, text, sizeof text, MSG_WAITALL);
    flags = 0;
    STARTED("WSARecv of nothing", (buffer.len = 0, WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL)));
    show_wait("it waits for data", WaitForSingleObject(overlapped.hEvent, SHORT_WAIT));
    send(client, "zero", 4, 0);
    show_result("it ends with the data", server, &overlapped);
    CALL("which is still there", recv(server, text, sizeof text, 0));
    buffer.len = sizeof text;
    flags = 0;
    STARTED("WSARecv", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    shutdown(client, SD_SEND);
    show_result("the end of the stream", server, &overlapped);
    show_hex("Internal", overlapped.Internal);
    TRUTH("WSAGetOverlappedResult without a count", WSAGetOverlappedResult(server, &overlapped, NULL, FALSE, &flags));
    TRUTH("without flags", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, NULL));
    WSACloseEvent(overlapped.hEvent);
    closesocket(server);
    closesocket(client);
    connected(&client, &server);
    overlapped.hEvent = NULL;
    flags = 0;
    STARTED("WSARecv without an event", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    send(client, "socket", 6, 0);
    TRUTH("GetOverlappedResult waits for the socket", GetOverlappedResult((HANDLE)server, &overlapped, &bytes, TRUE));
    show("bytes", (int)bytes);
    overlapped.hEvent = CreateEventA(NULL, FALSE, FALSE, NULL);
    flags = 0;
    STARTED("WSARecv with an automatic event", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    CloseHandle(CreateThread(NULL, 0, send_later, (LPVOID)client, 0, NULL));
    TRUTH("WSAGetOverlappedResult waits", WSAGetOverlappedResult(server, &overlapped, &bytes, TRUE, &flags));
    show("bytes", (int)bytes);
    show_wait("and took the signal", WaitForSingleObject(overlapped.hEvent, 0));
    CloseHandle(overlapped.hEvent);
    closesocket(server);
    closesocket(client);
    return 0;
}
