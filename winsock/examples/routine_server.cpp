// Echo server, overlapped model II, as a C++ program: completion routines on one thread, with AcceptEx.
//
//     routine_server [port [sessions]]

#include <winsock2.h>
#include <mswsock.h>
#include <windows.h>

#include <cstdlib>
#include <iostream>
#include <set>

#pragma comment(lib, "ws2_32.lib")
#pragma comment(lib, "mswsock.lib")

namespace {

constexpr DWORD ADDRESS_ROOM = sizeof(SOCKADDR_IN) + 16;
volatile LONG interrupted;

class Server;

// The block knows its session, so a routine finds it without a table.
struct Session : WSAOVERLAPPED {
    explicit Session(Server &owner, SOCKET s) : WSAOVERLAPPED(), server(owner), socket(s) {}
    ~Session() { closesocket(socket); }

    bool recv() {
        WSABUF buffer = { sizeof data, data };
        DWORD flags = 0;
        return started(WSARecv(socket, &buffer, 1, nullptr, &flags, this, received));
    }
    bool send(DWORD bytes) {
        WSABUF buffer = { bytes, data };
        return started(WSASend(socket, &buffer, 1, nullptr, 0, this, sent));
    }
    static void CALLBACK received(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);
    static void CALLBACK sent(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags);
    static bool started(int result) { return result == 0 || WSAGetLastError() == WSA_IO_PENDING; }

    Server &server;
    SOCKET socket;
    char data[512];
};

class Server {
public:
    Server(u_short port, int limit) : limit_(limit) {
        listener_ = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
        SOCKADDR_IN address = {};
        int size = sizeof address;
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_ANY);
        address.sin_port = htons(port);
        ::bind(listener_, reinterpret_cast<SOCKADDR *>(&address), sizeof address);
        listen(listener_, SOMAXCONN);
        getsockname(listener_, reinterpret_cast<SOCKADDR *>(&address), &size);
        std::cout << "port " << ntohs(address.sin_port) << std::endl;
        accept_.hEvent = WSACreateEvent();
    }
    ~Server() { WSACloseEvent(accept_.hEvent); }

    int run() {
        if (!start_accept()) return 1;
        while (!interrupted && closed_ != limit_) {
            DWORD outcome = WSAWaitForMultipleEvents(1, &accept_.hEvent, FALSE, 100, TRUE);
            if (outcome == WSA_WAIT_EVENT_0 && !accepted()) return 1;
        }
        // The accept in flight writes to this object until it has ended.
        DWORD bytes = 0, flags = 0;
        CancelIo(reinterpret_cast<HANDLE>(listener_));
        WSAGetOverlappedResult(listener_, &accept_, &bytes, TRUE, &flags);
        closesocket(listener_);
        while (SleepEx(0, TRUE) == WAIT_IO_COMPLETION) {}
        closesocket(next_);
        std::cout << opened_ << " sessions, " << packets_ << " packets, " << sessions_.size() << " left" << std::endl;
        return 0;
    }

    void close(Session *session) {
        sessions_.erase(session);
        delete session;
        ++closed_;
    }
    void packet() { ++packets_; }

private:
    bool start_accept() {
        DWORD bytes = 0;
        next_ = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
        return AcceptEx(listener_, next_, addresses_, 0, ADDRESS_ROOM, ADDRESS_ROOM, &bytes, &accept_)
            || WSAGetLastError() == ERROR_IO_PENDING;
    }
    bool accepted() {
        DWORD bytes = 0, flags = 0;
        if (WSAGetOverlappedResult(listener_, &accept_, &bytes, FALSE, &flags)) {
            setsockopt(next_, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, reinterpret_cast<char *>(&listener_), sizeof listener_);
            auto *session = new Session(*this, next_);
            sessions_.insert(session);
            ++opened_;
            if (!session->recv()) close(session);
        } else {
            closesocket(next_);
        }
        return start_accept();
    }

    SOCKET listener_ = INVALID_SOCKET, next_ = INVALID_SOCKET;
    WSAOVERLAPPED accept_ = {};
    char addresses_[2 * ADDRESS_ROOM];
    std::set<Session *> sessions_;
    int limit_, opened_ = 0, closed_ = 0, packets_ = 0;
};

void CALLBACK Session::received(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD) {
    auto *session = static_cast<Session *>(overlapped);
    if (error == 0 && bytes > 0) session->server.packet();
    if (error != 0 || bytes == 0 || !session->send(bytes)) session->server.close(session);
}

void CALLBACK Session::sent(DWORD error, DWORD, LPWSAOVERLAPPED overlapped, DWORD) {
    auto *session = static_cast<Session *>(overlapped);
    if (error != 0 || !session->recv()) session->server.close(session);
}

BOOL WINAPI console_handler(DWORD) {
    InterlockedExchange(&interrupted, 1);
    return TRUE;
}

} // namespace

int main(int argc, char **argv) {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    int code;
    {
        Server server(static_cast<u_short>(argc > 1 ? std::atoi(argv[1]) : 9000), argc > 2 ? std::atoi(argv[2]) : -1);
        SetConsoleCtrlHandler(console_handler, TRUE);
        code = server.run();
    }
    WSACleanup();
    return code;
}
