// Echo server, overlapped model I, as a C++ program: an event for each session, a thread for each 63.
//
//     overlapped_server [port [sessions]]

#include <winsock2.h>
#include <windows.h>
#include <process.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#pragma comment(lib, "ws2_32.lib")

namespace {

class CriticalSection {
public:
    CriticalSection() { InitializeCriticalSection(&section_); }
    ~CriticalSection() { DeleteCriticalSection(&section_); }
    CriticalSection(const CriticalSection &) = delete;
    CriticalSection &operator=(const CriticalSection &) = delete;
    void lock() { EnterCriticalSection(&section_); }
    void unlock() { LeaveCriticalSection(&section_); }

private:
    CRITICAL_SECTION section_;
};

class Guard {
public:
    explicit Guard(CriticalSection &section) : section_(section) { section_.lock(); }
    ~Guard() { section_.unlock(); }

private:
    CriticalSection &section_;
};

[[noreturn]] void fail(const std::string &what) {
    throw std::runtime_error(what + ": " + std::to_string(WSAGetLastError()));
}

class Session {
public:
    explicit Session(SOCKET socket) : socket_(socket) { overlapped_.hEvent = WSACreateEvent(); }
    ~Session() {
        closesocket(socket_);
        WSACloseEvent(overlapped_.hEvent);
    }
    WSAEVENT event() const { return overlapped_.hEvent; }

    bool recv() {
        WSABUF buffer = { sizeof data_, data_ };
        DWORD flags = 0;
        sending_ = false;
        return started(WSARecv(socket_, &buffer, 1, nullptr, &flags, &overlapped_, nullptr));
    }

    // Returns false when the session has ended.
    bool serve(std::atomic<int> &packets) {
        DWORD bytes = 0, flags = 0;
        if (!WSAGetOverlappedResult(socket_, &overlapped_, &bytes, FALSE, &flags)) return false;
        if (sending_) return recv();
        if (bytes == 0) return false;
        ++packets;
        return send(bytes);
    }

    // The operation in flight uses this session's memory until it has ended.
    void cancel() {
        DWORD bytes = 0, flags = 0;
        CancelIoEx(reinterpret_cast<HANDLE>(socket_), &overlapped_);
        WSAGetOverlappedResult(socket_, &overlapped_, &bytes, TRUE, &flags);
    }

private:
    bool send(DWORD bytes) {
        WSABUF buffer = { bytes, data_ };
        sending_ = true;
        return started(WSASend(socket_, &buffer, 1, nullptr, 0, &overlapped_, nullptr));
    }
    static bool started(int result) { return result == 0 || WSAGetLastError() == WSA_IO_PENDING; }

    WSAOVERLAPPED overlapped_ = {};
    SOCKET socket_;
    bool sending_ = false;
    char data_[512];
};

class Server;

// A thread and the sessions that it serves. The first event tells that a session was added, or the end.
class Proactor {
public:
    explicit Proactor(Server &server) : server_(server) {
        events_.push_back(WSACreateEvent());
        thread_ = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, 0, &Proactor::start, this, 0, nullptr));
        if (!thread_) fail("_beginthreadex");
    }
    ~Proactor() {
        wake();
        WaitForSingleObject(thread_, INFINITE);
        CloseHandle(thread_);
        WSACloseEvent(events_[0]);
    }
    void wake() { WSASetEvent(events_[0]); }
    bool add(std::unique_ptr<Session> &session);

private:
    static unsigned __stdcall start(void *proactor) {
        static_cast<Proactor *>(proactor)->run();
        return 0;
    }
    void run();
    void remove(size_t index);

    Server &server_;
    HANDLE thread_ = nullptr;
    CriticalSection section_;
    std::vector<WSAEVENT> events_;
    std::vector<std::unique_ptr<Session>> sessions_;
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
        if (::bind(listener_, reinterpret_cast<SOCKADDR *>(&address), sizeof address) == SOCKET_ERROR) fail("bind");
        if (listen(listener_, SOMAXCONN) == SOCKET_ERROR) fail("listen");
        if (getsockname(listener_, reinterpret_cast<SOCKADDR *>(&address), &size) == SOCKET_ERROR) fail("getsockname");
        std::cout << "port " << ntohs(address.sin_port) << std::endl;
    }

    void run() {
        while (!stopping_) {
            SOCKET socket = WSAAccept(listener_, nullptr, nullptr, nullptr, 0);
            if (socket == INVALID_SOCKET) continue;
            ++opened_;
            add(std::make_unique<Session>(socket));
        }
        proactors_.clear();
        std::cout << opened_ << " sessions, " << packets_ << " packets, " << opened_ - closed_ << " left" << std::endl;
    }

    void stop() {
        if (!stopping_.exchange(true)) closesocket(listener_);
    }
    bool stopping() const { return stopping_; }
    std::atomic<int> &packets() { return packets_; }
    void session_closed() {
        if (++closed_ == limit_) stop();
    }

private:
    void add(std::unique_ptr<Session> session) {
        if (proactors_.empty() || !proactors_.back()->add(session)) {
            for (auto &proactor : proactors_)
                if (proactor->add(session)) return;
            proactors_.push_back(std::make_unique<Proactor>(*this));
            proactors_.back()->add(session);
        }
    }

    SOCKET listener_;
    int limit_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> opened_{0}, closed_{0}, packets_{0};
    std::vector<std::unique_ptr<Proactor>> proactors_;
};

bool Proactor::add(std::unique_ptr<Session> &session) {
    Guard guard(section_);
    if (events_.size() == WSA_MAXIMUM_WAIT_EVENTS) return false;
    bool started = session->recv();
    events_.push_back(session->event());
    sessions_.push_back(std::move(session));
    if (!started) remove(events_.size() - 1);
    wake();
    return true;
}

void Proactor::remove(size_t index) {
    sessions_[index - 1] = std::move(sessions_.back());
    sessions_.pop_back();
    events_[index] = events_.back();
    events_.pop_back();
    server_.session_closed();
}

void Proactor::run() {
    std::vector<WSAEVENT> events;
    for (;;) {
        {
            Guard guard(section_);
            events = events_;
        }
        DWORD signalled = WSAWaitForMultipleEvents(static_cast<DWORD>(events.size()), events.data(), FALSE, WSA_INFINITE, FALSE);
        if (signalled == WSA_WAIT_FAILED) return;
        size_t index = signalled - WSA_WAIT_EVENT_0;
        WSAResetEvent(events[index]);
        Session *session = nullptr;
        {
            Guard guard(section_);
            if (index == 0 && server_.stopping()) {
                while (!sessions_.empty()) {
                    sessions_.front()->cancel();
                    remove(1);
                }
                return;
            }
            if (index > 0) session = sessions_[index - 1].get();
        }
        if (session && !session->serve(server_.packets())) {
            Guard guard(section_);
            remove(index);
        }
    }
}

Server *running;

BOOL WINAPI console_handler(DWORD) {
    running->stop();
    return TRUE;
}

} // namespace

int main(int argc, char **argv) {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    try {
        Server server(static_cast<u_short>(argc > 1 ? std::atoi(argv[1]) : 9000), argc > 2 ? std::atoi(argv[2]) : -1);
        running = &server;
        SetConsoleCtrlHandler(console_handler, TRUE);
        server.run();
    } catch (const std::exception &error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
    WSACleanup();
    return 0;
}
