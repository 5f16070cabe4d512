/* A socket made without WSA_FLAG_OVERLAPPED: a call with an OVERLAPPED waits for its end. */
#include "check.h"
#include "extension.h"

static SOCKET plain(int kind, int protocol) { return WSASocketW(AF_INET, kind, protocol, NULL, 0, 0); }

typedef struct { SOCKET s; const char *text; } SENDER;

/* Sends later, when the other thread waits. */
static DWORD WINAPI send_later(LPVOID parameter) {
    SENDER *sender = (SENDER *)parameter;
    Sleep(2 * SHORT_WAIT);
    send(sender->s, sender->text, (int)strlen(sender->text), 0);
    return 0;
}

static HANDLE sends_later(SENDER *sender, SOCKET s, const char *text) {
    sender->s = s;
    sender->text = text;
    return CreateThread(NULL, 0, send_later, sender, 0, NULL);
}

static void ended(HANDLE thread) {
    WaitForSingleObject(thread, LONG_WAIT);
    CloseHandle(thread);
}

static int routines;
static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)overlapped;
    (void)flags;
    routines++;
    show_error("the routine's code", error);
    show("the routine's bytes", bytes);
}

static void begin_call(WSAOVERLAPPED *overlapped, HANDLE event) {
    memset(overlapped, 0, sizeof *overlapped);
    overlapped->hEvent = event;
    ResetEvent(event);
}

static void show_end(const WSAOVERLAPPED *overlapped) {
    show_hex("Internal", overlapped->Internal);
    show("InternalHigh", overlapped->InternalHigh);
    show_wait("the event", WaitForSingleObject(overlapped->hEvent, 0));
}

int main(void) {
    SOCKADDR_IN address, from;
    SOCKET listener, client, server, datagrams, other;
    HANDLE event, thread;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    SENDER sender;
    DWORD bytes, flags;
    int size;
    char text[32];
    begin();
    event = CreateEventW(NULL, TRUE, FALSE, NULL);
    listener = listener_at(&address);
    client = plain(SOCK_STREAM, IPPROTO_TCP);
    CALL("connect", connect(client, (SOCKADDR *)&address, sizeof address));
    server = accept(listener, NULL, NULL);

    buffer = buffer_of(text, sizeof text);
    begin_call(&overlapped, event);
    thread = sends_later(&sender, server, "first");
    bytes = 0; flags = 0;
    CALL("WSARecv before there is anything", WSARecv(client, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", bytes);
    show_bytes("data", text, 5);
    show_end(&overlapped);
    ended(thread);

    begin_call(&overlapped, event);
    send(server, "second", 6, 0);
    arrived(client, 6);
    bytes = 0; flags = 0;
    CALL("WSARecv of what is there", WSARecv(client, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", bytes);
    show_end(&overlapped);

    begin_call(&overlapped, event);
    buffer = buffer_of(text, 6);
    bytes = 0;
    CALL("WSASend", WSASend(client, &buffer, 1, &bytes, 0, &overlapped, NULL));
    show("bytes", bytes);
    show_end(&overlapped);
    CALL("arrives", recv(server, text, sizeof text, 0));

    buffer = buffer_of(text, sizeof text);
    begin_call(&overlapped, event);
    thread = sends_later(&sender, server, "third");
    bytes = 0; flags = 0;
    CALL("WSARecv with a routine", WSARecv(client, &buffer, 1, &bytes, &flags, &overlapped, routine));
    show("bytes", bytes);
    show("routines so far", routines);
    show_wait("an alertable wait", SleepEx(SHORT_WAIT, TRUE));
    show("routines then", routines);
    ended(thread);

    TRUTH("CreateIoCompletionPort", CreateIoCompletionPort((HANDLE)client, NULL, 0, 0));

    datagrams = plain(SOCK_DGRAM, IPPROTO_UDP);
    other = udp();
    address = bound(datagrams);
    bound(other);
    connect(other, (SOCKADDR *)&address, sizeof address);
    begin_call(&overlapped, event);
    thread = sends_later(&sender, other, "datagram");
    bytes = 0; flags = 0;
    size = sizeof from;
    CALL("WSARecvFrom", WSARecvFrom(datagrams, &buffer, 1, &bytes, &flags, (SOCKADDR *)&from, &size, &overlapped, NULL));
    show("bytes", bytes);
    show("the address", size);
    show_end(&overlapped);
    ended(thread);

    begin_call(&overlapped, event);
    closesocket(server);
    bytes = 5; flags = 0;
    CALL("WSARecv at the end", WSARecv(client, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    show("bytes", bytes);
    show_end(&overlapped);

    closesocket(client);
    client = plain(SOCK_STREAM, IPPROTO_TCP);
    begin_call(&overlapped, event);
    CALL("WSARecv without a connection", WSARecv(client, &buffer, 1, &bytes, &flags, &overlapped, NULL));
    closesocket(client);
    closesocket(listener);
    closesocket(datagrams);
    closesocket(other);
    CloseHandle(event);
    return 0;
}
