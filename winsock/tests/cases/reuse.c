/* Who may bind a port that is bound: the table of SO_REUSEADDR and SO_EXCLUSIVEADDRUSE. (trap 46) */
#include "check.h"

static SOCKET with(int option) {
    SOCKET s = tcp();
    BOOL on = TRUE;
    if (option) setsockopt(s, SOL_SOCKET, option, (char *)&on, sizeof on);
    return s;
}

static const char *name_of(int option) {
    return option == SO_REUSEADDR ? "reuse" : option == SO_EXCLUSIVEADDRUSE ? "exclusive" : "default";
}

int main(void) {
    static const int options[] = { 0, SO_REUSEADDR, SO_EXCLUSIVEADDRUSE };
    SOCKADDR_IN address, any;
    SOCKET first, second, client, server;
    BOOL on = TRUE;
    char what[80];
    int i, j;
    begin();
    for (i = 0; i < 3; i++)
        for (j = 0; j < 3; j++) {
            first = with(options[i]);
            address = bound(first);
            second = with(options[j]);
            sprintf(what, "%s, then %s", name_of(options[i]), name_of(options[j]));
            CALL(what, bind(second, (SOCKADDR *)&address, sizeof address));
            closesocket(first);
            closesocket(second);
        }
    first = with(0);
    address = bound(first);
    listen(first, 5);
    any = address;
    any.sin_addr.s_addr = INADDR_ANY;
    second = with(SO_EXCLUSIVEADDRUSE);
    CALL("every address, exclusive, beside a listener", bind(second, (SOCKADDR *)&any, sizeof any));
    closesocket(second);
    closesocket(first);
    first = with(0);
    CALL("both options at once: the first", setsockopt(first, SOL_SOCKET, SO_REUSEADDR, (char *)&on, sizeof on));
    CALL("and the second", setsockopt(first, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&on, sizeof on));
    closesocket(first);
    first = listener_at(&address);
    client = connected_to(&address);
    server = accept(first, NULL, NULL);
    closesocket(first);
    closesocket(server);
    closesocket(client);
    second = with(0);
    CALL("a server's port at once after its end", bind(second, (SOCKADDR *)&address, sizeof address));
    CALL("listen", listen(second, 5));
    closesocket(second);
    return 0;
}
