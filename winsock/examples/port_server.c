/*
 * Echo server, overlapped model III: a completion port and threads that take packets from it.
 *
 *     port_server [port [sessions]]
 */
#include <winsock2.h>
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>

#pragma comment(lib, "ws2_32.lib")

#define BUFFER_SIZE 512

typedef enum { OPERATION_RECV, OPERATION_SEND } OPERATION;

typedef struct {
    OVERLAPPED overlapped;
    WSABUF buffer;
    OPERATION operation;
    char data[BUFFER_SIZE];
} IO_DATA, *LPIO_DATA;

typedef struct {
    SOCKET socket;
    IO_DATA io;
} SESSION, *LPSESSION;

static SOCKET listen_socket = INVALID_SOCKET;
static HANDLE completion_port;
static volatile LONG opened, closed, packets, stopping;
static LONG session_limit;

static void Server_Stop(void) {
    SOCKET s = listen_socket;
    InterlockedExchange(&stopping, 1);
    listen_socket = INVALID_SOCKET;
    if (s != INVALID_SOCKET) closesocket(s);
}

static BOOL WINAPI Console_Handler(DWORD kind) {
    (void)kind;
    Server_Stop();
    return TRUE;
}

static void Close_Session(LPSESSION session) {
    closesocket(session->socket);
    free(session);
    if (InterlockedIncrement(&closed) == session_limit) Server_Stop();
}

static BOOL Started(int result) { return result != SOCKET_ERROR || WSAGetLastError() == ERROR_IO_PENDING; }

static BOOL Packet_Recv(LPSESSION session) {
    DWORD flags = 0;
    ZeroMemory(&session->io.overlapped, sizeof(OVERLAPPED));
    session->io.operation = OPERATION_RECV;
    session->io.buffer.buf = session->io.data;
    session->io.buffer.len = BUFFER_SIZE;
    return Started(WSARecv(session->socket, &session->io.buffer, 1, NULL, &flags, &session->io.overlapped, NULL));
}

static BOOL Packet_Send(LPSESSION session, DWORD bytes) {
    ZeroMemory(&session->io.overlapped, sizeof(OVERLAPPED));
    session->io.operation = OPERATION_SEND;
    session->io.buffer.buf = session->io.data;
    session->io.buffer.len = bytes;
    return Started(WSASend(session->socket, &session->io.buffer, 1, NULL, 0, &session->io.overlapped, NULL));
}

static unsigned __stdcall Worker_Thread(void *parameter) {
    HANDLE port = (HANDLE)parameter;
    for (;;) {
        DWORD bytes = 0;
        LPSESSION session = NULL;
        LPIO_DATA io = NULL;
        BOOL done = GetQueuedCompletionStatus(port, &bytes, (PULONG_PTR)&session, (LPOVERLAPPED *)&io, INFINITE);
        if (io == NULL) return done ? 0 : 1; /* the packet that ends this thread, or the port is closed */
        if (!done || (io->operation == OPERATION_RECV && bytes == 0)) {
            Close_Session(session);
        } else if (io->operation == OPERATION_RECV) {
            InterlockedIncrement(&packets);
            if (!Packet_Send(session, bytes)) Close_Session(session);
        } else if (!Packet_Recv(session)) {
            Close_Session(session);
        }
    }
}

int main(int argc, char **argv) {
    SYSTEM_INFO system;
    SOCKADDR_IN address;
    WSADATA data;
    HANDLE threads[MAXIMUM_WAIT_OBJECTS];
    DWORD count, i;
    int size = sizeof address;
    session_limit = argc > 2 ? atoi(argv[2]) : -1;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    completion_port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    GetSystemInfo(&system);
    count = system.dwNumberOfProcessors * 2;
    if (count > MAXIMUM_WAIT_OBJECTS) count = MAXIMUM_WAIT_OBJECTS;
    for (i = 0; i < count; i++)
        threads[i] = (HANDLE)_beginthreadex(NULL, 0, Worker_Thread, completion_port, 0, NULL);
    listen_socket = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
    ZeroMemory(&address, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    address.sin_port = htons((u_short)(argc > 1 ? atoi(argv[1]) : 9000));
    if (bind(listen_socket, (SOCKADDR *)&address, sizeof address) == SOCKET_ERROR
        || listen(listen_socket, SOMAXCONN) == SOCKET_ERROR
        || getsockname(listen_socket, (SOCKADDR *)&address, &size) == SOCKET_ERROR) {
        fprintf(stderr, "the listening socket: %d\n", WSAGetLastError());
        return 1;
    }
    SetConsoleCtrlHandler(Console_Handler, TRUE);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (!stopping) {
        LPSESSION session;
        SOCKET s = accept(listen_socket, NULL, NULL);
        if (s == INVALID_SOCKET) continue;
        session = (LPSESSION)calloc(1, sizeof *session);
        if (!session) {
            closesocket(s);
            continue;
        }
        session->socket = s;
        InterlockedIncrement(&opened);
        CreateIoCompletionPort((HANDLE)s, completion_port, (ULONG_PTR)session, 0);
        if (!Packet_Recv(session)) Close_Session(session);
    }
    for (i = 0; i < count; i++) PostQueuedCompletionStatus(completion_port, 0, 0, NULL);
    WaitForMultipleObjects(count, threads, TRUE, INFINITE);
    for (i = 0; i < count; i++) CloseHandle(threads[i]);
    CloseHandle(completion_port);
    printf("%d sessions, %d packets, %d left\n", (int)opened, (int)packets, (int)(opened - closed));
    WSACleanup();
    return 0;
}
