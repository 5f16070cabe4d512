// Echo as users of Asio write it: the pattern of its own tutorials. One io_context told that one thread runs it, so that it
// locks and wakes as little as it can; a session is an object that its callbacks keep alive with shared_from_this, and owns
// its buffer, because the buffer has to stay where it is until the operation's handler has run. read_some, since an echo
// answers whatever came; async_write, since what came has to go out whole. No strands, coroutines or allocators of its own:
// with one thread there is nothing to serialise, and Asio already reuses the memory of an operation for the next.

#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio.hpp>

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

    // At the end of the stream or after an error nothing new is started. The last callback then lets go of the session,
    // which closes the socket.
    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](std::error_code error, std::size_t count) {
            if (!error) {
                self->write(count);
            }
        });
    }

private:
    // Nothing more is read until all of it is written: a peer that does not read cannot make memory grow.
    void write(std::size_t count) {
        asio::async_write(socket_, asio::buffer(buffer_, count), [self = shared_from_this()](std::error_code error, std::size_t) {
            if (!error) {
                self->read();
            }
        });
    }

    tcp::socket socket_;
    std::array<char, 16 * 1024> buffer_;
};

class Server {
public:
    Server(asio::io_context& context, const tcp::endpoint& address) : acceptor_(context, address) {}

    tcp::endpoint address() const { return acceptor_.local_endpoint(); }

    void accept() {
        acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
            if (error) {
                // Asio itself accepts again when a connection was gone before it was taken: this is worse, such as no more
                // descriptors, and a server that is measured has to say so.
                throw std::system_error(error, "accept");
            }
            std::error_code ignored;  // A connection that failed meanwhile says so when it is read from.
            socket.set_option(tcp::no_delay(true), ignored);
            std::make_shared<Session>(std::move(socket))->read();
            accept();
        });
    }

private:
    tcp::acceptor acceptor_;
};

static tcp::endpoint parse(std::string_view text) {
    const auto colon = text.rfind(':');
    std::uint16_t port = 0;
    if (colon == std::string_view::npos) {
        throw std::invalid_argument("the address has no port");
    }
    const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw std::invalid_argument("the port is not a number");
    }
    return {asio::ip::make_address_v4(text.substr(0, colon)), port};
}

int main(int count, char** arguments) try {
    if (count != 4 || arguments[1] != std::string_view("echo") || arguments[2] != std::string_view("--listen")) {
        std::cerr << "usage: peer-asio echo --listen ADDRESS:PORT\n";
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    asio::io_context context(1);
    Server server(context, parse(arguments[3]));
    server.accept();
    std::cout << "listening " << server.address() << std::endl;
    context.run();
} catch (const std::exception& error) {
    std::cerr << "peer-asio: " << error.what() << '\n';
    return EXIT_FAILURE;
}
