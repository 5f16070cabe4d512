/* An operation that ends at once returns 0, and notifies all the same. (traps 6, 8) */
#include "check.h"

static int routines;

static void CALLBACK routine(DWORD code, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    routines++;
    printf("routine: code %s, %d bytes, its block: %s, flags %d\n", code ? error_name(code) : "0", (int)bytes,
        overlapped->hEvent == (HANDLE)1234 ? "yes" : "no", (int)flags);
}

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    char text[32];
    DWORD bytes = 77, flags = 0;
    begin();
    connected(&client, &server);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    send(client, "ready", 5, 0);
    arrived(server, 5);
    buffer = buffer_of(text, sizeof text);
    CALL("WSARecv of data that is there", WSARecv(server, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", (int)bytes);
    show("flags", (int)flags);
    show_wait("the event is set", WaitForSingleObject(overlapped.hEvent, 0));
    show_hex("Internal", overlapped.Internal);
    show("InternalHigh", (int)overlapped.InternalHigh);
    TRUTH("WSAGetOverlappedResult", WSAGetOverlappedResult(server, &overlapped, &bytes, FALSE, &flags));
    show("bytes", (int)bytes);
    WSAResetEvent(overlapped.hEvent);
    bytes = 77;
    buffer.len = 4;
    CALL("WSASend", WSASend(server, &buffer, 1, &bytes, 0, &overlapped, NULL));
    show("bytes", (int)bytes);
    show_wait("the event is set", WaitForSingleObject(overlapped.hEvent, 0));
    CALL("recv", recv(client, text, 4, MSG_WAITALL));
    send(client, "again", 5, 0);
    arrived(server, 5);
    CALL("WSARecv without a count", WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL));
    show("InternalHigh", (int)overlapped.InternalHigh);
    CALL("WSARecv of the rest", WSARecv(server, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", (int)bytes);
    shutdown(client, SD_SEND);
    readable(server, LONG_WAIT);
    bytes = 77;
    CALL("WSARecv at the end", WSARecv(server, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", (int)bytes);
    show_wait("the event is set", WaitForSingleObject(overlapped.hEvent, 0));
    WSACloseEvent(overlapped.hEvent);
    closesocket(client);
    closesocket(server);
    connected(&client, &server);
    overlapped.hEvent = (HANDLE)1234; /* the program's to use, with a routine */
    send(client, "routine", 7, 0);
    arrived(server, 7);
    buffer.len = sizeof text;
    flags = 0;
    CALL("WSARecv with a routine", WSARecv(server, &buffer, 1, &bytes, &flags, &overlapped, routine));
    show("bytes", (int)bytes);
    show("no routine yet", routines);
    Sleep(SHORT_WAIT);
    show("nor after Sleep", routines);
    show_wait("SleepEx", SleepEx(0, TRUE));
    show("it ran", routines);
    show("SleepEx again", (int)SleepEx(0, TRUE));
    closesocket(client);
    closesocket(server);
    return 0;
}
