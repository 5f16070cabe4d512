/* Byte order and addresses as text. (trap 49) */
#include "check.h"

static void address(const char *text) {
    char what[80];
    sprintf(what, "inet_addr(\"%s\")", text);
    show_hex(what, ntohl(inet_addr(text)));
}

static void parse(int family, const char *text) {
    unsigned char bytes[16] = { 0 };
    char what[80], back[64];
    sprintf(what, "inet_pton(%s)", text);
    if (inet_pton(family, text, bytes) == 1)
        printf("%s: %s\n", what, inet_ntop(family, bytes, back, sizeof back) ? back : "fails");
    else
        CALL(what, inet_pton(family, text, bytes));
}

int main(void) {
    IN_ADDR four;
    WCHAR wide[64];
    char narrow[64];
    unsigned char bytes[16] = { 0 };
    u_long converted = 0;
    begin();
    show_hex("htons", htons(0x1234));
    show_hex("htonl", htonl(0x12345678));
    show_hex("ntohs", ntohs(0x3412));
    show_hex("ntohl", ntohl(0x78563412));
    address("127.0.0.1"); address("255.255.255.255"); address("1.2.3.4"); address("256.1.1.1"); address("0x7f.1");
    address("10.1"); address("017.0.0.1"); address("text"); address("1.2.3.4.5"); address("");
    four.s_addr = inet_addr("10.20.30.40");
    show_text("inet_ntoa", inet_ntoa(four));
    show("S_un_b.s_b1", four.S_un.S_un_b.s_b1);
    show("s_impno", four.s_impno);
    parse(AF_INET, "192.168.1.9");
    parse(AF_INET, "192.168.1");
    parse(AF_INET, "192.168.1.256");
    parse(AF_INET6, "::1");
    parse(AF_INET6, "2001:DB8::0:1");
    parse(AF_INET6, "::ffff:1.2.3.4");
    parse(AF_INET6, "1::2::3");
    CALL("inet_pton of another family", inet_pton(99, "1.2.3.4", bytes));
    TRUTH("inet_ntop with little room", inet_ntop(AF_INET, bytes, narrow, 4));
    TRUTH("inet_ntop of another family", inet_ntop(99, bytes, narrow, sizeof narrow));
    CALL("InetPtonW", InetPtonW(AF_INET, L"1.2.3.4", bytes));
    show("its last byte", bytes[3]);
    TRUTH("InetNtopW", InetNtopW(AF_INET, bytes, wide, 64));
    WideCharToMultiByte(CP_ACP, 0, wide, -1, narrow, sizeof narrow, NULL, NULL);
    show_text("its text", narrow);
    CALL("InetPtonA", InetPtonA(AF_INET, "9.8.7.6", bytes));
    show("its first byte", bytes[0]);
    CALL("WSAHtonl", WSAHtonl(tcp(), 0x01020304, &converted));
    show_hex("value", converted);
    return 0;
}
