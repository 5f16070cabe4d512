/*
 * Echo as experienced users of libuv write it. uv_try_write nearly always sends the whole answer and
 * needs neither a request nor a copy; only the rest goes into a uv_write. All connections read into one
 * 16 KiB buffer of the loop, as in libuv's own benchmarks: libuv asks for a buffer only when there is
 * something to read, and the callback is done with it before the next request. So a quiet connection
 * holds no buffer. For large streams it is a buffer of 64 KiB, which is what libuv suggests.
 */

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

static char received[64 * 1024];
static size_t received_size = 16 * 1024;

/* What the socket would not take, with the request that sends it. */
struct rest {
    uv_write_t request;
    char bytes[];
};

static void fail(const char *what, int status) {
    fprintf(stderr, "peer-libuv: %s: %s\n", what, uv_strerror(status));
    exit(EXIT_FAILURE);
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) {
        fail("malloc", UV_ENOMEM);
    }
    return memory;
}

static void on_close(uv_handle_t *handle) {
    free(handle);
}

static void end(uv_stream_t *connection) {
    if (!uv_is_closing((uv_handle_t *)connection)) {
        uv_close((uv_handle_t *)connection, on_close);
    }
}

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(received, (unsigned)received_size);
}

static void on_read(uv_stream_t *connection, ssize_t count, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status) {
    uv_stream_t *connection = request->handle;
    /* The request is the first member of what was allocated. */
    free(request);
    if (status < 0 || uv_read_start(connection, lend, on_read) < 0) {
        end(connection);
    }
}

static void on_read(uv_stream_t *connection, ssize_t count, const uv_buf_t *buffer) {
    if (count < 0) {
        /* The end of the stream, or an error. Nothing is unsent: while there is, nothing is read. */
        end(connection);
        return;
    }
    if (count == 0) {
        /* Nothing was there after all. */
        return;
    }
    uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)count);
    int sent = uv_try_write(connection, &answer, 1);
    if (sent == count) {
        return;
    }
    if (sent < 0) {
        if (sent != UV_EAGAIN) {
            end(connection);
            return;
        }
        sent = 0;
    }
    size_t unsent = (size_t)(count - sent);
    struct rest *rest = allocate(sizeof *rest + unsent);
    memcpy(rest->bytes, buffer->base + sent, unsent);
    answer = uv_buf_init(rest->bytes, (unsigned)unsent);
    /* Do not read from a peer that does not read, so that memory cannot grow. */
    uv_read_stop(connection);
    if (uv_write(&rest->request, connection, &answer, 1, on_written) < 0) {
        free(rest);
        end(connection);
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0) {
        /* libuv itself skips connections that are gone. This is worse, such as no descriptors. */
        fail("accept", status);
    }
    uv_tcp_t *connection = allocate(sizeof *connection);
    status = uv_tcp_init(listener->loop, connection);
    if (status < 0) {
        fail("uv_tcp_init", status);
    }
    if (uv_accept(listener, (uv_stream_t *)connection) < 0) {
        end((uv_stream_t *)connection);
        return;
    }
    /* A connection that has failed reports it when it is read. */
    uv_tcp_nodelay(connection, 1);
    if (uv_read_start((uv_stream_t *)connection, lend, on_read) < 0) {
        end((uv_stream_t *)connection);
    }
}

/* ADDRESS:PORT, of IPv4. */
static int parse(const char *text, struct sockaddr_in *address) {
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        return UV_EINVAL;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    char *rest;
    unsigned long port = strtoul(colon + 1, &rest, 10);
    if (rest == colon + 1 || *rest != '\0' || port > 65535) {
        return UV_EINVAL;
    }
    return uv_ip4_addr(host, (int)port, address);
}

int main(int count, char **arguments) {
    int is_stream = count == 4 && strcmp(arguments[1], "stream") == 0;
    if (count != 4 || !(is_stream || strcmp(arguments[1], "echo") == 0) || strcmp(arguments[2], "--listen") != 0) {
        fputs("usage: peer-libuv echo|stream --listen ADDRESS:PORT\n", stderr);
        return 2;
    }
    /* libuv leaves this to its users: a write to a dead connection would end the program. */
    signal(SIGPIPE, SIG_IGN);

    if (is_stream) {
        received_size = sizeof received;
    }
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    int length = sizeof address;
    int status = parse(arguments[3], &address);
    if (status < 0) {
        fail(arguments[3], status);
    }
    if ((status = uv_tcp_init(loop, &listener)) < 0 || (status = uv_tcp_bind(&listener, (struct sockaddr *)&address, 0)) < 0 ||
        (status = uv_listen((uv_stream_t *)&listener, SOMAXCONN, on_connection)) < 0 ||
        (status = uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length)) < 0) {
        fail("listening", status);
    }
    char host[INET_ADDRSTRLEN];
    uv_ip4_name(&address, host, sizeof host);
    printf("listening %s:%d\n", host, ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
