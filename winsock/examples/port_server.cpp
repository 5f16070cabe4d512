// Echo server, overlapped model III, as a C++ program: a completion port, AcceptEx on the same port.
//
//     port_server [port [sessions]]

#include <winsock2.h>
#include <mswsock.h>
#include <windows.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#pragma comment(lib, "ws2_32.lib")

namespace {

constexpr DWORD ADDRESS_ROOM = sizeof(SOCKADDR_IN) + 16;
constexpr ULONG_PTR KEY_ACCEPT = 1, KEY_SESSION = 2, KEY_STOP = 3;

enum class Kind { Accept, Recv, Send };

struct Operation : OVERLAPPED {
    explicit Operation(Kind it) : OVERLAPPED(), kind(it) {}
    Kind kind;
};

struct Session {
    explicit Session(SOCKET s) : socket(s) {}
    ~Session() { closesocket(socket); }
    SOCKET socket;
    Operation operation{Kind::Accept};
    char data[512];
};

class Server {
public:
    Server(u_short port, int limit) : limit_(limit) {
        port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
        listener_ = make_socket();
        SOCKADDR_IN address = {};
        int size = sizeof address;
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_ANY);
        address.sin_port = htons(port);
        ::bind(listener_, reinterpret_cast<SOCKADDR *>(&address), sizeof address);
        listen(listener_, SOMAXCONN);
        getsockname(listener_, reinterpret_cast<SOCKADDR *>(&address), &size);
        CreateIoCompletionPort(reinterpret_cast<HANDLE>(listener_), port_, KEY_ACCEPT, 0);
        GUID id = WSAID_ACCEPTEX;
        DWORD bytes = 0;
        WSAIoctl(listener_, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &accept_ex_, sizeof accept_ex_, &bytes, nullptr, nullptr);
        std::cout << "port " << ntohs(address.sin_port) << std::endl;
    }
    ~Server() { CloseHandle(port_); }

    int run() {
        SYSTEM_INFO system;
        GetSystemInfo(&system);
        if (!accept_ex_ || !start_accept()) return 1;
        std::vector<HANDLE> threads;
        for (DWORD i = 0; i < system.dwNumberOfProcessors * 2 && i < MAXIMUM_WAIT_OBJECTS; ++i)
            threads.push_back(CreateThread(nullptr, 0, &Server::start, this, 0, nullptr));
        WaitForMultipleObjects(static_cast<DWORD>(threads.size()), threads.data(), TRUE, INFINITE);
        for (HANDLE thread : threads) CloseHandle(thread);
        closesocket(listener_);
        std::cout << opened_ << " sessions, " << packets_ << " packets, " << opened_ - closed_ << " left" << std::endl;
        return 0;
    }

    void stop() { PostQueuedCompletionStatus(port_, 0, KEY_STOP, nullptr); }

private:
    static SOCKET make_socket() { return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED); }

    static DWORD WINAPI start(LPVOID server) {
        static_cast<Server *>(server)->work();
        return 0;
    }

    bool start_accept() {
        auto *session = new Session(make_socket());
        DWORD bytes = 0;
        // The addresses are written where the data will be later.
        if (accept_ex_(listener_, session->socket, session->data, 0, ADDRESS_ROOM, ADDRESS_ROOM, &bytes, &session->operation)
            || WSAGetLastError() == ERROR_IO_PENDING)
            return true;
        delete session;
        return false;
    }

    bool recv(Session *session) {
        WSABUF buffer = { sizeof session->data, session->data };
        DWORD flags = 0;
        session->operation = Operation(Kind::Recv);
        return started(WSARecv(session->socket, &buffer, 1, nullptr, &flags, &session->operation, nullptr));
    }
    bool send(Session *session, DWORD bytes) {
        WSABUF buffer = { bytes, session->data };
        session->operation = Operation(Kind::Send);
        return started(WSASend(session->socket, &buffer, 1, nullptr, 0, &session->operation, nullptr));
    }
    static bool started(int result) { return result == 0 || WSAGetLastError() == ERROR_IO_PENDING; }

    void close(Session *session) {
        delete session;
        if (++closed_ == limit_) stop();
    }

    bool handle(Session *session, Kind kind, DWORD bytes) {
        switch (kind) {
        case Kind::Accept:
            ++opened_;
            setsockopt(session->socket, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, reinterpret_cast<char *>(&listener_), sizeof listener_);
            CreateIoCompletionPort(reinterpret_cast<HANDLE>(session->socket), port_, KEY_SESSION, 0);
            start_accept();
            return recv(session);
        case Kind::Recv:
            if (bytes == 0) return false;
            ++packets_;
            return send(session, bytes);
        case Kind::Send:
            return recv(session);
        }
        return false;
    }

    void work() {
        for (;;) {
            DWORD bytes = 0;
            ULONG_PTR key = 0;
            LPOVERLAPPED overlapped = nullptr;
            BOOL done = GetQueuedCompletionStatus(port_, &bytes, &key, &overlapped, INFINITE);
            if (key == KEY_STOP) {
                stop(); // for the next thread
                return;
            }
            if (!overlapped) return;
            auto *operation = static_cast<Operation *>(overlapped);
            auto *session = CONTAINING_RECORD(operation, Session, operation);
            if (!done && operation->kind == Kind::Accept) {
                delete session;
                start_accept();
            } else if (!done || !handle(session, operation->kind, bytes)) {
                close(session);
            }
        }
    }

    HANDLE port_ = nullptr;
    SOCKET listener_ = INVALID_SOCKET;
    LPFN_ACCEPTEX accept_ex_ = nullptr;
    int limit_;
    std::atomic<int> opened_{0}, closed_{0}, packets_{0};
};

Server *running;

BOOL WINAPI console_handler(DWORD) {
    running->stop();
    return TRUE;
}

} // namespace

int main(int argc, char **argv) {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    int code;
    {
        Server server(static_cast<u_short>(argc > 1 ? std::atoi(argv[1]) : 9000), argc > 2 ? std::atoi(argv[2]) : -1);
        running = &server;
        SetConsoleCtrlHandler(console_handler, TRUE);
        code = server.run();
    }
    WSACleanup();
    return code;
}
