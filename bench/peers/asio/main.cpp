// Echo in the pattern of Asio's own tutorials. One io_context for one thread, so that it locks and wakes
// as little as possible; with --threads as many threads run it. A session owns its buffer and is kept alive
// by its callbacks with shared_from_this. read_some, since an echo answers any bytes; async_write, since
// they must leave whole. No strands, coroutines or allocators: one thread needs none, a session has one
// operation in flight, and Asio reuses operation memory itself.

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
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

using asio::ip::tcp;

// Bytes of a session's buffer.
static constexpr std::size_t usual = 16 * 1024;
static constexpr std::size_t for_streams = 64 * 1024;

template <std::size_t size>
class Session : public std::enable_shared_from_this<Session<size>> {
public:
    explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

    // After end of stream or an error nothing is started: the last callback destroys the session.
    void read() {
        socket_.async_read_some(asio::buffer(buffer_), [self = this->shared_from_this()](std::error_code error, std::size_t count) {
            if (!error) {
                self->write(count);
            }
        });
    }

private:
    // Read again only when all is written, so that memory cannot grow.
    void write(std::size_t count) {
        asio::async_write(socket_, asio::buffer(buffer_, count), [self = this->shared_from_this()](std::error_code error, std::size_t) {
            if (!error) {
                self->read();
            }
        });
    }

    tcp::socket socket_;
    std::array<char, size> buffer_;
};

template <std::size_t size>
class Server {
public:
    Server(asio::io_context& context, const tcp::endpoint& address) : acceptor_(context, address) {}

    tcp::endpoint address() const { return acceptor_.local_endpoint(); }

    void accept() {
        acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
            if (error) {
                // Asio itself skips connections that are gone. This is worse, such as no descriptors.
                throw std::system_error(error, "accept");
            }
            std::error_code ignored;  // A connection that failed meanwhile says so when it is read from.
            socket.set_option(tcp::no_delay(true), ignored);
            std::make_shared<Session<size>>(std::move(socket))->read();
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

// How many threads run the context; 0 if the text is not a number of them.
static int threads_of(std::string_view text) {
    int threads = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
    return error == std::errc() && end == text.data() + text.size() && threads <= 64 ? threads : 0;
}

template <std::size_t size>
static void serve(const tcp::endpoint& listen, int threads) {
    asio::io_context context(threads);
    Server<size> server(context, listen);
    server.accept();
    std::cout << "listening " << server.address() << std::endl;
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; i++) {
        others.emplace_back([&context] { context.run(); });
    }
    context.run();
}

int main(int count, char** arguments) try {
    const bool threaded = count == 6 && arguments[4] == std::string_view("--threads");
    const int threads = threaded ? threads_of(arguments[5]) : 1;
    const std::string_view service = count == 4 || threaded ? arguments[1] : "";
    if ((service != "echo" && service != "stream") || threads < 1 || arguments[2] != std::string_view("--listen")) {
        std::cerr << "usage: peer-asio echo|stream --listen ADDRESS:PORT [--threads N]\n";
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    const auto listen = parse(arguments[3]);
    service == "stream" ? serve<for_streams>(listen, threads) : serve<usual>(listen, threads);
} catch (const std::exception& error) {
    std::cerr << "peer-asio: " << error.what() << '\n';
    return EXIT_FAILURE;
}
