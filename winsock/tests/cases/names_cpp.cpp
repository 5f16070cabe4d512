// A C++ program with names of its own that Winsock also has.
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include "check.h"

#include <algorithm>
#include <atomic>
#include <chrono>

class Session {
public:
    explicit Session(SOCKET s) : socket_(s) {}
    ~Session() { close(); }
    int send(const std::string &text) { return ::send(socket_, text.data(), static_cast<int>(text.size()), 0); }
    std::string recv() {
        char bytes[64];
        int got = ::recv(socket_, bytes, sizeof bytes, 0);
        return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : std::string();
    }
    bool bind(const SOCKADDR_IN &address) { return ::bind(socket_, reinterpret_cast<const SOCKADDR *>(&address), sizeof address) == 0; }
    bool connect(const SOCKADDR_IN &address) { return ::connect(socket_, (const SOCKADDR *)&address, sizeof address) == 0; }
    bool listen() { return ::listen(socket_, SOMAXCONN) == 0; }
    int select() { return readable(socket_, LONG_WAIT); }
    void close() {
        if (socket_ != INVALID_SOCKET) closesocket(socket_);
        socket_ = INVALID_SOCKET;
    }
    SOCKET socket() const { return socket_; }

private:
    SOCKET socket_;
};

struct Exchange : WSAOVERLAPPED {
    std::vector<char> bytes;
    int number = 0;
};

static unsigned __stdcall thread_start(void *parameter) {
    ++*static_cast<std::atomic<int> *>(parameter);
    return 0;
}

#include <process.h>

int main() {
    begin();
    auto add = std::bind([](int a, int b) { return a + b; }, std::placeholders::_1, 3);
    show("std::bind", add(4));
    Session listener(tcp()), client(tcp());
    yes("a method named bind", listener.bind(loopback(0)));
    yes("a method named listen", listener.listen());
    SOCKADDR_IN address = {};
    int size = sizeof address;
    getsockname(listener.socket(), (SOCKADDR *)&address, &size);
    yes("a method named connect", client.connect(address));
    Session server(accept(listener.socket(), nullptr, nullptr));
    show("a method named send", client.send("from a method"));
    show("a method named select", server.select());
    show_text("a method named recv", server.recv().c_str());

    Exchange exchange;
    static_cast<WSAOVERLAPPED &>(exchange) = {};
    exchange.hEvent = WSACreateEvent();
    exchange.bytes.resize(32);
    exchange.number = 7;
    WSABUF buffer = { static_cast<ULONG>(exchange.bytes.size()), exchange.bytes.data() };
    DWORD flags = 0;
    CALL("WSARecv with a derived block", WSARecv(server.socket(), &buffer, 1, nullptr, &flags, &exchange, nullptr));
    std::thread sender([&] { client.send("from a thread"); });
    show_result("it ends", server.socket(), &exchange);
    sender.join();
    show("CONTAINING_RECORD", CONTAINING_RECORD(&exchange.hEvent, WSAOVERLAPPED, hEvent) == &exchange);
    WSACloseEvent(exchange.hEvent);

    std::map<SOCKET, std::string> sessions;
    sessions[client.socket()] = "client";
    sessions[server.socket()] = "server";
    show("sockets as keys", static_cast<int>(sessions.size()));
    std::atomic<int> ran{0};
    HANDLE thread = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, 0, thread_start, &ran, 0, nullptr));
    show_wait("_beginthreadex", WaitForSingleObject(thread, LONG_WAIT));
    CloseHandle(thread);
    show("it ran", ran);
    std::wstring wide = std::wstring(L"wide ") + L"text";
    show("wide text", static_cast<int>(wide.find(L"text")));
    u_long readable_bytes = 0;
    CALL("ioctlsocket with u_long", ioctlsocket(server.socket(), FIONREAD, &readable_bytes));
    show("std::min", std::min(3, 4));
    show("std::max", (std::max)(3, 4));
    std::cout << "std::cout: " << htons(0x0102) << std::endl;
    client.close();
    show_text("the end of the stream", server.recv().c_str());
    return 0;
}
