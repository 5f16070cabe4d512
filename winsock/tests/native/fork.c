/* A child of fork has no sockets of this library: every call fails, none crashes or hangs. */
#include "../cases/check.h"
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    SOCKET client, server;
    WSAOVERLAPPED overlapped;
    WSABUF buffer;
    DWORD flags = 0;
    char text[8];
    int status = 0, failures = 0;
    pid_t child;
    begin();
    connected(&client, &server);
    buffer = buffer_of(text, sizeof text);
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        WSADATA data;
        failures += WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED;
        failures += send(client, "child", 5, 0) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED;
        failures += socket(AF_INET, SOCK_STREAM, 0) == INVALID_SOCKET;
        failures += WSAStartup(MAKEWORD(2, 2), &data) == WSASYSNOTREADY;
        Sleep(SHORT_WAIT);
        failures += WaitForSingleObject(overlapped.hEvent, SHORT_WAIT) == WAIT_TIMEOUT;
        exit(failures);
    }
    waitpid(child, &status, 0);
    yes("the child ends by itself", WIFEXITED(status));
    show("calls that fail there, and a wait", WEXITSTATUS(status));
    send(client, "parent", 6, 0);
    show_result("the parent's receive", server, &overlapped);
    show_bytes("data", text, 6);
    closesocket(client);
    closesocket(server);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
