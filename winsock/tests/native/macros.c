/* What is defined and what is not, and that libc's own headers keep working beside these. */
#include <stdlib.h>
#include <string.h>
#include "../cases/check.h"
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

int main(void) {
    char name[64];
    struct tm when;
    time_t zero = 0;
#ifdef _WIN32
    printf("_WIN32 is defined\n");
#endif
#ifdef __linux__
    printf("__linux__ is defined\n");
#endif
    begin();
    show("sizeof wchar_t", sizeof(WCHAR));
    show("sizeof long", sizeof(long));
    show("gethostname of Winsock", gethostname(name, sizeof name));
    gmtime_r(&zero, &when);
    show("libc's own time", when.tm_year);
    yes("libc's getpid", getpid() == (pid_t)GetCurrentProcessId());
    return 0;
}
