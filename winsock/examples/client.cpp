// Client of the echo servers, as a C++ program: a thread for each session, which waits for what comes back.
//
//     client host port [messages [sessions]]

#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#pragma comment(lib, "ws2_32.lib")

namespace {

struct Work {
    sockaddr_storage address;
    int size;
    int messages;
    int same;
    std::string error;
};

class Connection {
public:
    explicit Connection(const Work &work) : socket_(::socket(work.address.ss_family, SOCK_STREAM, IPPROTO_TCP)) {
        if (::connect(socket_, reinterpret_cast<const sockaddr *>(&work.address), work.size) == SOCKET_ERROR) code_ = WSAGetLastError();
    }
    ~Connection() { closesocket(socket_); }
    int code() const { return code_; }
    bool send(const std::string &text) {
        return ::send(socket_, text.data(), static_cast<int>(text.size()), 0) == static_cast<int>(text.size());
    }
    std::string recv(size_t size) {
        std::string text;
        char bytes[64];
        while (text.size() < size) {
            int got = ::recv(socket_, bytes, static_cast<int>((std::min)(sizeof bytes, size - text.size())), 0);
            if (got <= 0) break;
            text.append(bytes, static_cast<size_t>(got));
        }
        return text;
    }
    bool finish() {
        char end;
        return shutdown(socket_, SD_SEND) == 0 && ::recv(socket_, &end, 1, 0) == 0;
    }

private:
    SOCKET socket_;
    int code_ = 0;
};

DWORD WINAPI talk(LPVOID parameter) {
    Work &work = *static_cast<Work *>(parameter);
    Connection connection(work);
    if (connection.code()) {
        work.error = "connect: " + std::to_string(connection.code());
        return 1;
    }
    for (int i = 1; i <= work.messages; ++i) {
        std::string text = "message " + std::to_string(i);
        if (!connection.send(text)) work.error = "send: " + std::to_string(WSAGetLastError());
        work.same += connection.recv(text.size()) == text;
    }
    if (!connection.finish()) work.error = "the end: " + std::to_string(WSAGetLastError());
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3) {
        std::cerr << "client host port [messages [sessions]]" << std::endl;
        return 2;
    }
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    const int messages = argc > 3 ? std::atoi(argv[3]) : 3, sessions = argc > 4 ? std::atoi(argv[4]) : 1;
    addrinfo hints = {}, *found = nullptr;
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(argv[1], argv[2], &hints, &found) != 0) return 1;
    std::vector<Work> works(static_cast<size_t>(sessions));
    std::vector<HANDLE> threads;
    for (Work &work : works) {
        CopyMemory(&work.address, found->ai_addr, found->ai_addrlen);
        work.size = static_cast<int>(found->ai_addrlen);
        work.messages = messages;
        threads.push_back(CreateThread(nullptr, 0, talk, &work, 0, nullptr));
    }
    freeaddrinfo(found);
    int same = 0;
    for (size_t i = 0; i < threads.size(); ++i) {
        WaitForSingleObject(threads[i], INFINITE);
        CloseHandle(threads[i]);
        same += works[i].same;
        if (!works[i].error.empty()) std::cerr << works[i].error << std::endl;
    }
    std::cout << sessions << " sessions, " << sessions * messages << " messages, " << same << " came back" << std::endl;
    WSACleanup();
    return 0;
}
