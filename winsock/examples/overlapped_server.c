/*
 * Echo server, overlapped model I: an event for each session, and threads that wait for the events.
 *
 *     overlapped_server [port [sessions]]
 *
 * It ends on Ctrl-C, or when so many sessions have been closed.
 */
#include <winsock2.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>

#pragma comment(lib, "ws2_32.lib")

#define BUFFER_SIZE 512

typedef struct {
    WSAOVERLAPPED overlapped;
    SOCKET socket;
    WSABUF buffer;
    BOOL sending;
    char data[BUFFER_SIZE];
} SESSION;

/* A thread waits for at most 64 events. The first tells that a session was added, or the server's end. */
typedef struct {
    HANDLE thread;
    CRITICAL_SECTION lock;
    DWORD count;
    WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS];
    SESSION *sessions[WSA_MAXIMUM_WAIT_EVENTS];
} PROACTOR;

static SOCKET listen_socket = INVALID_SOCKET;
static PROACTOR **proactors;
static int proactor_count;
static volatile LONG opened, closed, packets, stopping;
static LONG session_limit;

static void Error_Quit(const char *what) {
    char *text = NULL;
    int code = WSAGetLastError();
    FormatMessageA(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                   (DWORD)code, MAKELANGID(LANG_NEUTRAL, SUBLANG_DEFAULT), (LPSTR)&text, 0, NULL);
    fprintf(stderr, "%s: %d %s\n", what, code, text ? text : "");
    LocalFree(text);
    exit(1);
}

static void Server_Stop(void) {
    SOCKET s = listen_socket;
    InterlockedExchange(&stopping, 1);
    listen_socket = INVALID_SOCKET;
    if (s != INVALID_SOCKET) closesocket(s); /* ends the accept */
}

static BOOL WINAPI Console_Handler(DWORD kind) {
    if (kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT && kind != CTRL_CLOSE_EVENT) return FALSE;
    Server_Stop();
    return TRUE;
}

static BOOL Packet_Recv(SESSION *session) {
    DWORD flags = 0;
    session->sending = FALSE;
    session->buffer.buf = session->data;
    session->buffer.len = BUFFER_SIZE;
    return WSARecv(session->socket, &session->buffer, 1, NULL, &flags, &session->overlapped, NULL) != SOCKET_ERROR
        || WSAGetLastError() == WSA_IO_PENDING;
}

static BOOL Packet_Send(SESSION *session, DWORD bytes) {
    session->sending = TRUE;
    session->buffer.buf = session->data;
    session->buffer.len = bytes;
    return WSASend(session->socket, &session->buffer, 1, NULL, 0, &session->overlapped, NULL) != SOCKET_ERROR
        || WSAGetLastError() == WSA_IO_PENDING;
}

/* The proactor's lock is held. */
static void Close_Session(PROACTOR *proactor, DWORD index) {
    SESSION *session = proactor->sessions[index];
    DWORD last = --proactor->count;
    closesocket(session->socket);
    WSACloseEvent(session->overlapped.hEvent);
    free(session);
    proactor->sessions[index] = proactor->sessions[last];
    proactor->events[index] = proactor->events[last];
    if (InterlockedIncrement(&closed) == session_limit) Server_Stop();
}

/* FALSE: the session has ended. */
static BOOL Serve_Session(SESSION *session) {
    DWORD bytes = 0, flags = 0;
    if (!WSAGetOverlappedResult(session->socket, &session->overlapped, &bytes, FALSE, &flags)) return FALSE;
    if (session->sending) return Packet_Recv(session);
    if (bytes == 0) return FALSE;
    InterlockedIncrement(&packets);
    return Packet_Send(session, bytes);
}

static unsigned __stdcall Proactor_Thread(void *parameter) {
    PROACTOR *proactor = (PROACTOR *)parameter;
    WSAEVENT events[WSA_MAXIMUM_WAIT_EVENTS];
    DWORD count, signalled, index;
    while (!stopping || proactor->count > 1) {
        /* Sessions are added meanwhile, but only this thread removes them: a copy of the events stays right. */
        EnterCriticalSection(&proactor->lock);
        count = proactor->count;
        CopyMemory(events, proactor->events, count * sizeof(WSAEVENT));
        LeaveCriticalSection(&proactor->lock);
        signalled = WSAWaitForMultipleEvents(count, events, FALSE, WSA_INFINITE, FALSE);
        if (signalled == WSA_WAIT_FAILED) Error_Quit("WSAWaitForMultipleEvents");
        index = signalled - WSA_WAIT_EVENT_0;
        WSAResetEvent(events[index]);
        if (index == 0) {
            if (!stopping) continue;
            EnterCriticalSection(&proactor->lock);
            while (proactor->count > 1) {
                /* The operation in flight uses the session's memory until it has ended. */
                SESSION *session = proactor->sessions[1];
                DWORD bytes, flags;
                CancelIoEx((HANDLE)session->socket, &session->overlapped);
                WSAGetOverlappedResult(session->socket, &session->overlapped, &bytes, TRUE, &flags);
                Close_Session(proactor, 1);
            }
            LeaveCriticalSection(&proactor->lock);
        } else if (!Serve_Session(proactor->sessions[index])) {
            EnterCriticalSection(&proactor->lock);
            Close_Session(proactor, index);
            LeaveCriticalSection(&proactor->lock);
        }
    }
    return 0;
}

/* Under the lock of the proactor if there is room, otherwise NULL. */
static PROACTOR *Proactor_With_Room(void) {
    PROACTOR *proactor;
    int i;
    for (i = proactor_count - 1; i >= 0; i--) {
        EnterCriticalSection(&proactors[i]->lock);
        if (proactors[i]->count < WSA_MAXIMUM_WAIT_EVENTS) return proactors[i];
        LeaveCriticalSection(&proactors[i]->lock);
    }
    proactor = (PROACTOR *)calloc(1, sizeof *proactor);
    proactors = (PROACTOR **)realloc(proactors, (proactor_count + 1) * sizeof *proactors);
    if (!proactor || !proactors) Error_Quit("memory");
    InitializeCriticalSection(&proactor->lock);
    proactor->events[0] = WSACreateEvent();
    proactor->count = 1;
    proactors[proactor_count++] = proactor;
    EnterCriticalSection(&proactor->lock);
    proactor->thread = (HANDLE)_beginthreadex(NULL, 0, Proactor_Thread, proactor, 0, NULL);
    if (!proactor->thread) Error_Quit("_beginthreadex");
    return proactor;
}

static void Add_Session(SOCKET s) {
    SESSION *session = (SESSION *)calloc(1, sizeof *session);
    PROACTOR *proactor = Proactor_With_Room();
    if (!session) Error_Quit("memory");
    session->socket = s;
    session->overlapped.hEvent = WSACreateEvent();
    proactor->sessions[proactor->count] = session;
    proactor->events[proactor->count++] = session->overlapped.hEvent;
    InterlockedIncrement(&opened);
    if (!Packet_Recv(session)) Close_Session(proactor, proactor->count - 1);
    LeaveCriticalSection(&proactor->lock);
    WSASetEvent(proactor->events[0]);
}

static void Server_Init(u_short port) {
    SOCKADDR_IN address;
    WSADATA data;
    int size = sizeof address;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) Error_Quit("WSAStartup");
    listen_socket = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
    if (listen_socket == INVALID_SOCKET) Error_Quit("WSASocket");
    ZeroMemory(&address, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    address.sin_port = htons(port);
    if (bind(listen_socket, (SOCKADDR *)&address, sizeof address) == SOCKET_ERROR) Error_Quit("bind");
    if (listen(listen_socket, SOMAXCONN) == SOCKET_ERROR) Error_Quit("listen");
    if (getsockname(listen_socket, (SOCKADDR *)&address, &size) == SOCKET_ERROR) Error_Quit("getsockname");
    SetConsoleCtrlHandler(Console_Handler, TRUE);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv) {
    int i;
    session_limit = argc > 2 ? atoi(argv[2]) : -1;
    Server_Init((u_short)(argc > 1 ? atoi(argv[1]) : 9000));
    while (!stopping) {
        SOCKADDR_IN peer;
        int size = sizeof peer;
        SOCKET s = WSAAccept(listen_socket, (SOCKADDR *)&peer, &size, NULL, 0);
        if (s != INVALID_SOCKET) Add_Session(s);
        else if (!stopping && WSAGetLastError() != WSAECONNRESET) Error_Quit("WSAAccept");
    }
    for (i = 0; i < proactor_count; i++) {
        WSASetEvent(proactors[i]->events[0]);
        WaitForSingleObject(proactors[i]->thread, INFINITE);
        CloseHandle(proactors[i]->thread);
        WSACloseEvent(proactors[i]->events[0]);
        DeleteCriticalSection(&proactors[i]->lock);
        free(proactors[i]);
    }
    free(proactors);
    printf("%d sessions, %d packets, %d left\n", (int)opened, (int)packets, (int)(opened - closed));
    WSACleanup();
    return 0;
}
