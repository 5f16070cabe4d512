/*
 * Echo server, overlapped model II: completion routines. One thread serves all sessions in its
 * alertable wait, so no session needs a lock. Another accepts, and hands sockets over with an APC.
 *
 *     routine_server [port [sessions]]
 */
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

#pragma comment(lib, "ws2_32.lib")

#define BUFFER_SIZE 512

/* The block is the first member: a routine casts its pointer to the session. */
typedef struct {
    WSAOVERLAPPED overlapped;
    SOCKET socket;
    char data[BUFFER_SIZE];
} SESSION;

static SOCKET listen_socket = INVALID_SOCKET;
static volatile LONG stopping;
static LONG opened, closed, packets, session_limit;

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

static void Close_Session(SESSION *session) {
    closesocket(session->socket);
    free(session);
    if (++closed == session_limit) Server_Stop();
}

static void CALLBACK Recv_Routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);

static void Packet_Recv(SESSION *session) {
    WSABUF buffer;
    DWORD flags = 0;
    buffer.buf = session->data;
    buffer.len = BUFFER_SIZE;
    if (WSARecv(session->socket, &buffer, 1, NULL, &flags, &session->overlapped, Recv_Routine) == SOCKET_ERROR
        && WSAGetLastError() != WSA_IO_PENDING)
        Close_Session(session);
}

static void CALLBACK Send_Routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    (void)bytes;
    (void)flags;
    if (error) Close_Session((SESSION *)overlapped);
    else Packet_Recv((SESSION *)overlapped);
}

static void CALLBACK Recv_Routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
    SESSION *session = (SESSION *)overlapped;
    WSABUF buffer;
    (void)flags;
    if (error || bytes == 0) {
        Close_Session(session);
        return;
    }
    packets++;
    buffer.buf = session->data;
    buffer.len = bytes;
    if (WSASend(session->socket, &buffer, 1, NULL, 0, overlapped, Send_Routine) == SOCKET_ERROR
        && WSAGetLastError() != WSA_IO_PENDING)
        Close_Session(session);
}

/* Runs on the thread of the sessions. */
static void CALLBACK Add_Session(ULONG_PTR s) {
    SESSION *session = (SESSION *)calloc(1, sizeof *session);
    if (!session) {
        closesocket((SOCKET)s);
        return;
    }
    session->socket = (SOCKET)s;
    opened++;
    Packet_Recv(session);
}

static DWORD WINAPI Session_Thread(LPVOID nothing) {
    (void)nothing;
    while (!stopping) SleepEx(100, TRUE);
    return 0;
}

int main(int argc, char **argv) {
    SOCKADDR_IN address;
    WSADATA data;
    HANDLE thread;
    int size = sizeof address;
    session_limit = argc > 2 ? atoi(argv[2]) : -1;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    listen_socket = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
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
    thread = CreateThread(NULL, 0, Session_Thread, NULL, 0, NULL);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (!stopping) {
        SOCKET s = accept(listen_socket, NULL, NULL);
        if (s == INVALID_SOCKET) continue;
        if (!QueueUserAPC(Add_Session, thread, (ULONG_PTR)s)) closesocket(s);
    }
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    printf("%d sessions, %d packets, %d left\n", (int)opened, (int)packets, (int)(opened - closed));
    WSACleanup();
    return 0;
}
