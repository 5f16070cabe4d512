/* FormatMessage for the codes that programs print. The texts are ours, so their form is compared. (trap 5) */
#include "check.h"

static DWORD text_of(DWORD code, char **text) {
    *text = NULL;
    return FormatMessageA(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
        NULL, code, MAKELANGID(LANG_NEUTRAL, SUBLANG_DEFAULT), (LPSTR)text, 0, NULL);
}

static void describe(DWORD code) {
    char *text;
    DWORD length = text_of(code, &text);
    printf("%s: a text: %s", error_name(code), length > 5 ? "yes" : "no");
    printf(", a line's end: %s", length > 2 && !strcmp(text + length - 2, "\r\n") ? "yes" : "no");
    printf(", its length: %s", text && strlen(text) == length ? "yes" : "no");
    printf(", freed: %s\n", LocalFree(text) == NULL ? "yes" : "no");
}

int main(void) {
    static const DWORD codes[] = {
        WSAEINTR, WSAEACCES, WSAEFAULT, WSAEINVAL, WSAEMFILE, WSAECONNRESET, WSAECONNREFUSED, ERROR_INVALID_HANDLE,
        ERROR_NETNAME_DELETED, ERROR_OPERATION_ABORTED, ERROR_IO_PENDING, ERROR_FILE_NOT_FOUND, ERROR_ACCESS_DENIED,
        ERROR_INVALID_PARAMETER, WAIT_TIMEOUT, ERROR_CONNECTION_REFUSED,
    };
    static const DWORD socket_codes[] = {
        WSAEWOULDBLOCK, WSAEINPROGRESS, WSAEALREADY, WSAENOTSOCK, WSAEDESTADDRREQ, WSAEMSGSIZE, WSAEPROTOTYPE,
        WSAENOPROTOOPT, WSAEPROTONOSUPPORT, WSAEOPNOTSUPP, WSAEAFNOSUPPORT, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAENETDOWN,
        WSAENETUNREACH, WSAECONNABORTED, WSAENOBUFS, WSAEISCONN, WSAENOTCONN, WSAESHUTDOWN, WSAETIMEDOUT, WSAEHOSTUNREACH,
        WSASYSNOTREADY, WSAVERNOTSUPPORTED, WSANOTINITIALISED, WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY, WSANO_DATA,
    };
    char *allocated;
    int without = 0;
    char text[256], tiny[4];
    WCHAR *wide = NULL;
    DWORD_PTR inserts[2];
    size_t i;
    begin();
    for (i = 0; i < sizeof codes / sizeof *codes; i++) describe(codes[i]);
    for (i = 0; i < sizeof socket_codes / sizeof *socket_codes; i++) {
        if (text_of(socket_codes[i], &allocated) < 5) without++;
        LocalFree(allocated);
    }
    yes("every code of Winsock has a text", without == 0);
    TRUTH("a code that nobody has", FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 0x2fffffff, 0, text, sizeof text, NULL));
    TRUTH("too little room", FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, WSAEINTR, 0, tiny, 4, NULL));
    yes("the wide form", FormatMessageW(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
        NULL, WSAECONNRESET, 0, (LPWSTR)&wide, 0, NULL) > 5);
    yes("its length", wide && wcslen(wide) > 5);
    LocalFree(wide);
    inserts[0] = (DWORD_PTR) "one";
    inserts[1] = 2;
    show("FROM_STRING", (int)FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY, "a %1 b %2!d! c", 0, 0, text,
        sizeof text, (va_list *)inserts));
    show_text("text", text);
    show("FROM_STRING without inserts", (int)FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_IGNORE_INSERTS, "a %1", 0, 0,
        text, sizeof text, NULL));
    show_text("text", text);
    return 0;
}
