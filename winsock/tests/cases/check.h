/*
 * What every case includes. A case is a program about one subject. It prints one line for each
 * check: what was called, what came back and, if the call failed, the error. The same source runs
 * on this library and, compiled by mingw, under Wine, and the lines are compared. So a line has
 * nothing in it that varies from run to run: no port, no time, no handle.
 */
#ifndef CHECK_H
#define CHECK_H

#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No wait of a case takes this long unless something is wrong. */
#define LONG_WAIT 5000
/* A wait for something that must not happen. */
#define SHORT_WAIT 40

typedef struct { DWORD code; const char *name; } ERROR_NAME;
#define NAMED(code) { (DWORD)code, #code }

static inline const char *error_name(DWORD code) {
    static const ERROR_NAME names[] = {
        NAMED(WSAEINTR), NAMED(WSAEBADF), NAMED(WSAEACCES), NAMED(WSAEFAULT), NAMED(WSAEINVAL), NAMED(WSAEMFILE),
        NAMED(WSAEWOULDBLOCK), NAMED(WSAEINPROGRESS), NAMED(WSAEALREADY), NAMED(WSAENOTSOCK), NAMED(WSAEDESTADDRREQ),
        NAMED(WSAEMSGSIZE), NAMED(WSAEPROTOTYPE), NAMED(WSAENOPROTOOPT), NAMED(WSAEPROTONOSUPPORT),
        NAMED(WSAESOCKTNOSUPPORT), NAMED(WSAEOPNOTSUPP), NAMED(WSAEPFNOSUPPORT), NAMED(WSAEAFNOSUPPORT),
        NAMED(WSAEADDRINUSE), NAMED(WSAEADDRNOTAVAIL), NAMED(WSAENETUNREACH), NAMED(WSAECONNABORTED),
        NAMED(WSAECONNRESET), NAMED(WSAENOBUFS), NAMED(WSAEISCONN), NAMED(WSAENOTCONN), NAMED(WSAESHUTDOWN),
        NAMED(WSAETIMEDOUT), NAMED(WSAECONNREFUSED), NAMED(WSAEHOSTUNREACH), NAMED(WSASYSNOTREADY),
        NAMED(WSAVERNOTSUPPORTED), NAMED(WSANOTINITIALISED), NAMED(WSAEDISCON), NAMED(WSATYPE_NOT_FOUND),
        NAMED(WSAHOST_NOT_FOUND), NAMED(WSANO_RECOVERY), NAMED(WSANO_DATA), NAMED(ERROR_FILE_NOT_FOUND),
        NAMED(ERROR_PATH_NOT_FOUND), NAMED(ERROR_ACCESS_DENIED), NAMED(ERROR_INVALID_HANDLE),
        NAMED(ERROR_NOT_ENOUGH_MEMORY), NAMED(ERROR_HANDLE_EOF), NAMED(ERROR_SHARING_VIOLATION),
        NAMED(ERROR_NETNAME_DELETED), NAMED(ERROR_FILE_EXISTS), NAMED(ERROR_INVALID_PARAMETER),
        NAMED(ERROR_INSUFFICIENT_BUFFER), NAMED(ERROR_MOD_NOT_FOUND), NAMED(ERROR_PROC_NOT_FOUND),
        NAMED(ERROR_ALREADY_EXISTS), NAMED(ERROR_MORE_DATA), NAMED(WAIT_TIMEOUT), NAMED(ERROR_NOT_OWNER),
        NAMED(ERROR_TOO_MANY_POSTS), NAMED(ERROR_MR_MID_NOT_FOUND), NAMED(ERROR_ABANDONED_WAIT_0),
        NAMED(ERROR_OPERATION_ABORTED), NAMED(ERROR_IO_INCOMPLETE), NAMED(ERROR_IO_PENDING), NAMED(ERROR_NOACCESS),
        NAMED(ERROR_NO_UNICODE_TRANSLATION), NAMED(ERROR_NOT_FOUND), NAMED(ERROR_CONNECTION_REFUSED),
        NAMED(ERROR_PORT_UNREACHABLE), NAMED(ERROR_CONNECTION_ABORTED), NAMED(ERROR_TIMEOUT),
        NAMED(ERROR_INVALID_FLAGS), NAMED(ERROR_NOT_SUPPORTED), NAMED(ERROR_CONNECTION_INVALID),
        NAMED(ERROR_INVALID_NETNAME), NAMED(ERROR_SEM_TIMEOUT), NAMED(ERROR_INVALID_FUNCTION),
    };
    static char number[32];
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code) return names[i].name;
    sprintf(number, "error %lu", (unsigned long)code);
    return number;
}

static inline void show(const char *what, long long value) { printf("%s: %d\n", what, (int)value); }
static inline void show_hex(const char *what, unsigned long long value) { printf("%s: 0x%x\n", what, (unsigned)value); }
static inline void show_text(const char *what, const char *value) { printf("%s: \"%s\"\n", what, value ? value : "(null)"); }
static inline void show_error(const char *what, DWORD code) { printf("%s: %s\n", what, code ? error_name(code) : "no error"); }
static inline void show_bytes(const char *what, const void *bytes, int count) {
    printf("%s: \"%.*s\"\n", what, count > 0 ? count : 0, (const char *)bytes);
}
static inline void yes(const char *what, int condition) { printf("%s: %s\n", what, condition ? "yes" : "no"); }

static inline void show_call(const char *what, int failed, int value, DWORD code) {
    if (failed) printf("%s: fails, %s\n", what, code ? error_name(code) : "no error");
    else printf("%s: %d\n", what, value);
}

/* A call that fails with SOCKET_ERROR, one that fails with FALSE or NULL, and one that makes a handle. */
#define CALL(what, expression) do { \
    int value_; SetLastError(0); value_ = (int)(expression); \
    show_call(what, value_ == SOCKET_ERROR, value_, GetLastError()); } while (0)
#define TRUTH(what, expression) do { \
    int value_; SetLastError(0); value_ = (expression) ? 1 : 0; \
    show_call(what, !value_, value_, GetLastError()); } while (0)
#define MAKES(what, expression) do { \
    int value_; SetLastError(0); value_ = (SOCKET)(expression) != INVALID_SOCKET; \
    show_call(what, !value_, value_, GetLastError()); } while (0)

/* The outcome of WSASend, WSARecv and their like with an OVERLAPPED, if both outcomes of a start are right. */
#define STARTED(what, expression) do { \
    int value_; DWORD code_; SetLastError(0); value_ = (int)(expression); code_ = GetLastError(); \
    if (!value_ || code_ == ERROR_IO_PENDING) printf("%s: started\n", what); \
    else show_call(what, 1, value_, code_); } while (0)

static inline void begin(void) {
    WSADATA data;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (WSAStartup(MAKEWORD(2, 2), &data)) {
        printf("WSAStartup fails\n");
        exit(1);
    }
}

static inline SOCKADDR_IN loopback(u_short port) {
    SOCKADDR_IN address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

static inline SOCKET tcp(void) { return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED); }
static inline SOCKET udp(void) { return WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0, WSA_FLAG_OVERLAPPED); }

/* Binds to a free port of this machine and returns the address. */
static inline SOCKADDR_IN bound(SOCKET s) {
    SOCKADDR_IN address = loopback(0);
    int size = sizeof address;
    if (bind(s, (SOCKADDR *)&address, size) || getsockname(s, (SOCKADDR *)&address, &size)) {
        printf("no address: %s\n", error_name(WSAGetLastError()));
        exit(1);
    }
    return address;
}

static inline SOCKET listener_at(SOCKADDR_IN *address) {
    SOCKET s = tcp();
    *address = bound(s);
    listen(s, SOMAXCONN);
    return s;
}

static inline SOCKET connected_to(const SOCKADDR_IN *address) {
    SOCKET s = tcp();
    if (connect(s, (const SOCKADDR *)address, sizeof *address)) {
        printf("no connection: %s\n", error_name(WSAGetLastError()));
        exit(1);
    }
    return s;
}

/* A connection within this program. */
static inline void connected(SOCKET *client, SOCKET *server) {
    SOCKADDR_IN address;
    SOCKET listener = listener_at(&address);
    *client = connected_to(&address);
    *server = accept(listener, NULL, NULL);
    closesocket(listener);
}

/* Ends a connection with a reset. */
static inline void reset(SOCKET s) {
    LINGER linger = { 1, 0 };
    setsockopt(s, SOL_SOCKET, SO_LINGER, (const char *)&linger, sizeof linger);
    closesocket(s);
}

static inline int readable(SOCKET s, int milliseconds) {
    fd_set set;
    struct timeval limit;
    limit.tv_sec = milliseconds / 1000;
    limit.tv_usec = milliseconds % 1000 * 1000;
    FD_ZERO(&set);
    FD_SET(s, &set);
    return select(0, &set, NULL, NULL, &limit);
}

/* Waits until this many bytes have arrived. */
static inline void arrived(SOCKET s, u_long bytes) {
    u_long there = 0;
    int tries;
    for (tries = 0; tries < LONG_WAIT && there < bytes; tries++) {
        if (ioctlsocket(s, FIONREAD, &there)) return;
        if (there < bytes) Sleep(1);
    }
}

static inline WSABUF buffer_of(void *bytes, u_long size) {
    WSABUF buffer;
    buffer.buf = (char *)bytes;
    buffer.len = size;
    return buffer;
}

/* Ends a later recv of this socket with WSAETIMEDOUT, where the peer should have sent and didn't. */
static inline void impatient(SOCKET s) {
    DWORD limit = 10 * SHORT_WAIT;
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (const char *)&limit, sizeof limit);
}

/* What a wait for one handle says. */
static inline void show_wait(const char *what, DWORD outcome) {
    if (outcome == WAIT_TIMEOUT) printf("%s: time-out\n", what);
    else if (outcome == WAIT_IO_COMPLETION) printf("%s: WAIT_IO_COMPLETION\n", what);
    else if (outcome == WAIT_FAILED) printf("%s: fails, %s\n", what, error_name(GetLastError()));
    else if (outcome >= WAIT_ABANDONED_0 && outcome < WAIT_ABANDONED_0 + 64)
        printf("%s: abandoned %d\n", what, (int)(outcome - WAIT_ABANDONED_0));
    else printf("%s: object %d\n", what, (int)outcome);
}

/* Waits for the event of an operation and shows how the operation ended. */
static inline void show_result(const char *what, SOCKET s, WSAOVERLAPPED *overlapped) {
    DWORD bytes = 0, flags = 0;
    if (WSAWaitForMultipleEvents(1, &overlapped->hEvent, TRUE, LONG_WAIT, FALSE) != WSA_WAIT_EVENT_0)
        printf("%s: the event is not set\n", what);
    else if (WSAGetOverlappedResult(s, overlapped, &bytes, FALSE, &flags)) printf("%s: %d bytes\n", what, (int)bytes);
    else printf("%s: fails, %s\n", what, error_name(WSAGetLastError()));
}

#endif
