/* Headers and names that MinGW's Winsock lacks or has in another place. */
#include "../cases/check.h"
#include <wspiapi.h>
#include <mstcpip.h>
#include <direct.h>
#include <sys/stat.h>

#include <pshpack1.h>
struct packed { char a; int b; };
#include <pshpack2.h>
struct by_two { char a; int b; };
#include <poppack.h>
struct packed_again { char a; int b; };
#include <poppack.h>
struct usual { char a; int b; };

int main(void) {
    SOCKADDR_STORAGE storage;
    SOCKADDR *address = (SOCKADDR *)&storage;
    SOCKET s;
    ULONG backlog = 0;
    UCHAR other[4] = {10, 0, 0, 1};
    begin();
    show("packed", sizeof(struct packed));
    show("by two", sizeof(struct by_two));
    show("packed again", sizeof(struct packed_again));
    show("usual", sizeof(struct usual));
    for (int i = 0; i < 2; i++) {
        memset(&storage, 0xff, sizeof(storage));
        address->sa_family = i ? AF_INET6 : AF_INET;
        printf("%s\n", i ? "IPv6" : "IPv4");
        INETADDR_SETANY(address);
        yes("any", INETADDR_ISANY(address) && !INETADDR_ISLOOPBACK(address));
        INETADDR_SETLOOPBACK(address);
        yes("loopback", INETADDR_ISLOOPBACK(address) && !INETADDR_ISANY(address));
        show("port", INETADDR_PORT(address));
        INETADDR_SET_PORT(address, htons(9000));
        show("port that was set", ntohs(INETADDR_PORT(address)));
        show("scope", INETADDR_SCOPE_ID(address).Value);
        show("last byte", INETADDR_ADDRESS(address)[i ? 15 : 3]);
    }
    address->sa_family = AF_INET;
    INETADDR_SET_ADDRESS(address, other);
    show("first byte", INETADDR_ADDRESS(address)[0]);
    yes("loopback", INETADDR_ISLOOPBACK(address));
    _rmdir("made");
    _rmdir("made2");
    yes("mkdir without a mode", mkdir("made") == 0);
    yes("mkdir with a mode", mkdir("made2", 0700) == 0);
    _rmdir("made");
    _rmdir("made2");
    s = socket(AF_INET, SOCK_STREAM, 0);
    yes("ideal backlog", idealsendbacklogquery(s, &backlog) == 0 && backlog > 0);
    return 0;
}
