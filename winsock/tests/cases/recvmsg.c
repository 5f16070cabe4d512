/* WSARecvMsg and WSASendMsg: the address a datagram was sent to. */
#include "extension.h"

int main(void) {
    SOCKET a, b;
    SOCKADDR_IN to, from;
    WSAMSG message;
    WSABUF parts[2];
    WSACMSGHDR *header;
    WSAOVERLAPPED overlapped;
    LPFN_WSARECVMSG receive;
    char head[4], rest[16], control[256];
    DWORD bytes = 0, on = 1;
    int found = 0;
    begin();
    a = udp();
    b = udp();
    to = bound(b);
    bound(a);
    receive = recv_msg(b);
    CALL("IP_PKTINFO", setsockopt(b, IPPROTO_IP, IP_PKTINFO, (char *)&on, sizeof on));
    sendto(a, "datagram", 8, 0, (SOCKADDR *)&to, sizeof to);
    parts[0] = buffer_of(head, 4);
    parts[1] = buffer_of(rest, sizeof rest);
    memset(&message, 0, sizeof message);
    message.name = (SOCKADDR *)&from;
    message.namelen = sizeof from;
    message.lpBuffers = parts;
    message.dwBufferCount = 2;
    message.Control = buffer_of(control, sizeof control);
    CALL("WSARecvMsg", receive(b, &message, &bytes, NULL, NULL));
    show("bytes", (int)bytes);
    show_bytes("first part", head, 4);
    show_bytes("second part", rest, 4);
    show("size of the sender", message.namelen);
    show("flags", (int)message.dwFlags);
    for (header = WSA_CMSG_FIRSTHDR(&message); header; header = WSA_CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            IN_PKTINFO *info = (IN_PKTINFO *)WSA_CMSG_DATA(header);
            show_text("sent to", inet_ntoa(info->ipi_addr));
            yes("over an interface", info->ipi_ifindex != 0);
            found = 1;
        }
    yes("a control message", found);
    sendto(a, "a longer datagram", 17, 0, (SOCKADDR *)&to, sizeof to);
    message.dwBufferCount = 1;
    message.Control = buffer_of(control, sizeof control);
    message.dwFlags = 0;
    CALL("a small buffer", receive(b, &message, &bytes, NULL, NULL));
    memset(&overlapped, 0, sizeof overlapped);
    overlapped.hEvent = WSACreateEvent();
    message.dwBufferCount = 2;
    message.namelen = sizeof from;
    message.Control = buffer_of(control, sizeof control);
    message.dwFlags = 0;
    CALL("overlapped", receive(b, &message, NULL, &overlapped, NULL));
    sendto(a, "late", 4, 0, (SOCKADDR *)&to, sizeof to);
    show_result("ends", b, &overlapped);
    show_bytes("data", head, 4);
    memset(&message, 0, sizeof message);
    parts[0] = buffer_of((char *)"ab", 2);
    parts[1] = buffer_of((char *)"cde", 3);
    message.name = (SOCKADDR *)&to;
    message.namelen = sizeof to;
    message.lpBuffers = parts;
    message.dwBufferCount = 2;
    CALL("WSASendMsg", WSASendMsg(a, &message, 0, &bytes, NULL, NULL));
    show("bytes", (int)bytes);
    readable(b, LONG_WAIT);
    CALL("arrives", recv(b, rest, sizeof rest, 0));
    show_bytes("data", rest, 5);
    closesocket(a);
    closesocket(b);
    WSACloseEvent(overlapped.hEvent);
    return 0;
}
