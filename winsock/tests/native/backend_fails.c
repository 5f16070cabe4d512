/*
 * The system refuses every wait of the driver from one moment on: what is in flight and what begins
 * later ends with an error, and waits sleep instead of turning a driver that can do nothing.
 */
#include "../cases/check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1)

static int refuse_waits(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_epoll_wait
        REFUSE(SYS_epoll_wait),
#endif
        REFUSE(SYS_epoll_pwait),
        REFUSE(SYS_epoll_pwait2),
        REFUSE(SYS_io_uring_enter),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

static long cpu_microseconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static WSAOVERLAPPED in_flight[3];
static char text[3][8];

static int receive(SOCKET s, int at) {
    WSABUF buffer = buffer_of(text[at], sizeof text[at]);
    DWORD flags = 0;
    memset(&in_flight[at], 0, sizeof in_flight[at]);
    in_flight[at].hEvent = WSACreateEvent();
    return WSARecv(s, &buffer, 1, NULL, &flags, &in_flight[at], NULL);
}

/* The code says which step met the failure first, and so differs. */
static void show_failure(const char *what, SOCKET s, int at) {
    DWORD bytes, flags;
    if (WSAWaitForMultipleEvents(1, &in_flight[at].hEvent, TRUE, LONG_WAIT, FALSE) != WSA_WAIT_EVENT_0)
        printf("%s: the event is not set\n", what);
    else printf("%s: %s\n", what, WSAGetOverlappedResult(s, &in_flight[at], &bytes, FALSE, &flags) ? "succeeds" : "fails");
}

int main(void) {
    SOCKET client, server, other, peer;
    HANDLE event, port;
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    long before;
    begin();
    connected(&client, &server);
    connected(&other, &peer);
    event = CreateEventW(NULL, TRUE, FALSE, NULL);
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    STARTED("a receive", receive(server, 0));
    WaitForSingleObject(event, SHORT_WAIT);
    yes("the system refuses waits", refuse_waits());
    receive(client, 1);
    show_failure("the receive in flight", server, 0);
    show_failure("a receive that met the failure", client, 1);
    if (receive(other, 2) && WSAGetLastError() != WSA_IO_PENDING) printf("a later receive: fails\n");
    else show_failure("a later receive", other, 2);
    yes("a call that would wait fails", recv(peer, text[2], sizeof text[2], 0) == SOCKET_ERROR);
    send(other, "there", 5, 0);
    CALL("a call that need not wait", recv(peer, text[2], sizeof text[2], 0));
    before = cpu_microseconds();
    show_wait("a wait", WaitForSingleObject(event, 500));
    TRUTH("a wait on a port", GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 500));
    yes("they slept", cpu_microseconds() - before < 100000);
    return 0;
}
