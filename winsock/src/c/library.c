/* The rest of the C run-time: files, the environment, paths, time, numbers at random. */
#define _GNU_SOURCE
#include "format.h"
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* UTF-8 of a wide name, to be freed; NULL without memory. */
static char *narrow(const wchar_t *wide) {
    size_t length = wcslen(wide), out = 0;
    char *text = malloc(length * 4 + 1);
    if (text == NULL) return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned u = (unsigned)wide[i];
        if (u < 0x80) text[out++] = (char)u;
        else if (u < 0x800) text[out++] = (char)(0xc0 | u >> 6), text[out++] = (char)(0x80 | (u & 0x3f));
        else if (u < 0x10000) text[out++] = (char)(0xe0 | u >> 12), text[out++] = (char)(0x80 | (u >> 6 & 0x3f)), text[out++] = (char)(0x80 | (u & 0x3f));
        else text[out++] = (char)(0xf0 | (u >> 18 & 7)), text[out++] = (char)(0x80 | (u >> 12 & 0x3f)), text[out++] = (char)(0x80 | (u >> 6 & 0x3f)), text[out++] = (char)(0x80 | (u & 0x3f));
    }
    text[out] = 0;
    return text;
}

/* A mode without MSVC's additions: "rt, ccs=UTF-8" is "r", "wbS" is "wb". */
static void plain_mode(const char *mode, char plain[8]) {
    int n = 0;
    for (; *mode && *mode != ',' && n < 7; mode++)
        if (strchr("rwab+x", *mode)) plain[n++] = *mode;
    plain[n] = 0;
}
static FILE *open_file(const char *name, const char *mode) {
    char plain[8];
    if (name == NULL || mode == NULL) {
        errno = EINVAL;
        return NULL;
    }
    plain_mode(mode, plain);
    char *path = strdup(name);
    if (path == NULL) return NULL;
    for (char *c = path; *c; c++)
        if (*c == '\\') *c = '/';
    FILE *file = fopen(path, plain);
    free(path);
    return file;
}

FILE *wskc_fopen(const char *name, const char *mode) { return open_file(name, mode); }

int wskc_fopen_s(FILE **file, const char *name, const char *mode) {
    if (file == NULL || name == NULL || mode == NULL) {
        wskc_invalid_parameter("fopen_s");
        return EINVAL;
    }
    *file = open_file(name, mode);
    return *file == NULL ? errno : 0;
}
int wskc_freopen_s(FILE **file, const char *name, const char *mode, FILE *old) {
    char plain[8];
    if (file == NULL || mode == NULL || old == NULL) {
        wskc_invalid_parameter("freopen_s");
        return EINVAL;
    }
    plain_mode(mode, plain);
    /* The console's names of Windows mean the terminal. */
    if (name != NULL && (strcasecmp(name, "CONOUT$") == 0 || strcasecmp(name, "CONIN$") == 0)) name = "/dev/tty";
    *file = freopen(name, plain, old);
    return *file == NULL ? errno : 0;
}
FILE *wskc__fsopen(const char *name, const char *mode, int share) {
    (void)share;
    return open_file(name, mode);
}
FILE *wskc__wfopen(const wchar_t *name, const wchar_t *mode) {
    char *path = name ? narrow(name) : NULL, *how = mode ? narrow(mode) : NULL;
    FILE *file = path && how ? open_file(path, how) : NULL;
    free(path);
    free(how);
    return file;
}
FILE *wskc__wfsopen(const wchar_t *name, const wchar_t *mode, int share) {
    (void)share;
    return wskc__wfopen(name, mode);
}
int wskc__wfopen_s(FILE **file, const wchar_t *name, const wchar_t *mode) {
    if (file == NULL || name == NULL || mode == NULL) {
        wskc_invalid_parameter("_wfopen_s");
        return EINVAL;
    }
    *file = wskc__wfopen(name, mode);
    return *file == NULL ? errno : 0;
}
size_t wskc_fread_s(void *buffer, size_t buffer_size, size_t size, size_t count, FILE *file) {
    if (buffer == NULL || (size != 0 && count > buffer_size / size)) {
        wskc_invalid_parameter("fread_s: the buffer is too small");
        return 0;
    }
    return fread(buffer, size, count, file);
}

/* A line without its end; NULL at the end of the input, or if the line does not fit. */
static char *get_line(char *buffer, size_t size, const char *function) {
    size_t length = 0;
    int c = getchar();
    if (c == EOF) return NULL;
    for (; c != EOF && c != '\n'; c = getchar()) {
        if (length + 1 >= size) {
            while (c != EOF && c != '\n') c = getchar();
            buffer[0] = 0;
            wskc_invalid_parameter(function);
            return NULL;
        }
        if (c != '\r') buffer[length++] = (char)c;
    }
    buffer[length] = 0;
    return buffer;
}
char *wskc_gets_s(char *buffer, size_t size) {
    if (buffer == NULL || size == 0) {
        wskc_invalid_parameter("gets_s");
        return NULL;
    }
    return get_line(buffer, size, "gets_s: the buffer is too small");
}
char *wskc_gets(char *buffer) { return get_line(buffer, (size_t)1 << 30, "gets"); }
wint_t wskc_get_wide(FILE *file);
wchar_t *wskc__getws_s(wchar_t *buffer, size_t size) {
    size_t length = 0;
    wint_t c = wskc_get_wide(stdin);
    if (buffer == NULL || size == 0 || c == WEOF) return NULL;
    for (; c != WEOF && c != L'\n'; c = wskc_get_wide(stdin))
        if (length + 1 < size && c != L'\r') buffer[length++] = (wchar_t)c;
    buffer[length] = 0;
    return buffer;
}

int wskc__dupenv_s(char **value, size_t *length, const char *name) {
    if (value == NULL || name == NULL) {
        wskc_invalid_parameter("_dupenv_s");
        return EINVAL;
    }
    const char *found = getenv(name);
    *value = found ? strdup(found) : NULL;
    if (length) *length = *value ? strlen(*value) + 1 : 0;
    return found && *value == NULL ? ENOMEM : 0;
}
int wskc_getenv_s(size_t *needed, char *buffer, size_t size, const char *name) {
    const char *found = name ? getenv(name) : NULL;
    size_t length = found ? strlen(found) + 1 : 0;
    if (needed) *needed = length;
    if (buffer && size > 0) buffer[0] = 0;
    if (found == NULL) return 0;
    if (length > size) return ERANGE;
    memcpy(buffer, found, length);
    return 0;
}
int wskc__putenv_s(const char *name, const char *value) {
    if (name == NULL || value == NULL) return EINVAL;
    return (*value ? setenv(name, value, 1) : unsetenv(name)) == 0 ? 0 : errno;
}
int wskc__putenv(const char *text) {
    const char *equals = strchr(text, '=');
    if (equals == NULL) return -1;
    char *name = strndup(text, (size_t)(equals - text));
    int result = name ? wskc__putenv_s(name, equals + 1) : ENOMEM;
    free(name);
    return result == 0 ? 0 : -1;
}

/* What Windows programs run: "pause" waits for a key, "cls" clears, "title" and "color" are the
   console's. The rest goes to the shell. */
int wsk__getch(void);
int wskc_system(const char *command) {
    if (command == NULL) return system(NULL);
    while (*command == ' ' || *command == '@') command++;
    size_t word = strcspn(command, " \t");
    if (word == 5 && strncasecmp(command, "pause", 5) == 0) {
        if (strchr(command, '>') == NULL) {
            fputs("Press any key to continue . . . ", stdout);
            fflush(stdout);
        }
        wsk__getch();
        fputs("\n", stdout);
        return 0;
    }
    if (word == 3 && strncasecmp(command, "cls", 3) == 0) {
        if (isatty(STDOUT_FILENO)) fputs("\033[2J\033[H", stdout);
        fflush(stdout);
        return 0;
    }
    if (word == 5 && strncasecmp(command, "title", 5) == 0) {
        if (isatty(STDOUT_FILENO)) printf("\033]0;%s\007", command + word + strspn(command + word, " "));
        fflush(stdout);
        return 0;
    }
    if ((word == 5 && strncasecmp(command, "color", 5) == 0) || (word == 4 && (strncasecmp(command, "mode", 4) == 0 || strncasecmp(command, "chcp", 4) == 0))) return 0;
    fflush(stdout);
    return system(command);
}
int wskc__wsystem(const wchar_t *command) {
    char *text = command ? narrow(command) : NULL;
    int result = command && text == NULL ? -1 : wskc_system(text);
    free(text);
    return result;
}

char *wskc__fullpath(char *buffer, const char *path, size_t size) {
    char *full = NULL;
    if (path == NULL || *path == 0) full = getcwd(NULL, 0);
    else if (*path == '/') full = strdup(path);
    else {
        char *folder = getcwd(NULL, 0);
        if (folder && asprintf(&full, "%s/%s", folder, path) < 0) full = NULL;
        free(folder);
    }
    if (full == NULL || buffer == NULL) return full;
    size_t length = strlen(full);
    if (length < size) memcpy(buffer, full, length + 1);
    free(full);
    return length < size ? buffer : NULL;
}

#define SPLIT(T, name, copy)                                                                                  \
    static int name(const T *path, T *drive, size_t drive_size, T *folder, size_t folder_size, T *base, size_t base_size, T *extension, size_t extension_size) { \
        size_t length = 0, start = 0, slash, dot;                                                            \
        while (path[length]) length++;                                                                       \
        if (length >= 2 && path[1] == ':') start = 2;                                                        \
        slash = start;                                                                                       \
        for (size_t i = start; i < length; i++)                                                              \
            if (path[i] == '/' || path[i] == '\\') slash = i + 1;                                            \
        dot = length;                                                                                        \
        for (size_t i = slash; i < length; i++)                                                              \
            if (path[i] == '.') dot = i;                                                                     \
        return copy(drive, drive_size, path, start) | copy(folder, folder_size, path + start, slash - start) | \
               copy(base, base_size, path + slash, dot - slash) | copy(extension, extension_size, path + dot, length - dot); \
    }
static int part(char *to, size_t size, const char *from, size_t length) {
    if (to == NULL) return 0;
    if (length >= size) return 1;
    memcpy(to, from, length);
    to[length] = 0;
    return 0;
}
static int wide_part(wchar_t *to, size_t size, const wchar_t *from, size_t length) {
    if (to == NULL) return 0;
    if (length >= size) return 1;
    wmemcpy(to, from, length);
    to[length] = 0;
    return 0;
}
SPLIT(char, split, part)
SPLIT(wchar_t, wide_split, wide_part)
int wskc__splitpath_s(const char *path, char *drive, size_t drive_size, char *folder, size_t folder_size, char *name, size_t name_size, char *extension, size_t extension_size) {
    if (path != NULL && split(path, drive, drive_size, folder, folder_size, name, name_size, extension, extension_size) == 0) return 0;
    wskc_invalid_parameter("_splitpath_s: a buffer is too small");
    return path == NULL ? EINVAL : ERANGE;
}
void wskc__splitpath(const char *path, char *drive, char *folder, char *name, char *extension) { split(path, drive, 3, folder, 256, name, 256, extension, 256); }
void wskc__wsplitpath(const wchar_t *path, wchar_t *drive, wchar_t *folder, wchar_t *name, wchar_t *extension) { wide_split(path, drive, 3, folder, 256, name, 256, extension, 256); }
void wskc__makepath(char *path, const char *drive, const char *folder, const char *name, const char *extension) {
    path[0] = 0;
    if (drive && *drive) strncat(path, drive, 1), strcat(path, ":");
    if (folder && *folder) {
        strcat(path, folder);
        char last = path[strlen(path) - 1];
        if (last != '/' && last != '\\') strcat(path, "/");
    }
    if (name) strcat(path, name);
    if (extension && *extension) {
        if (*extension != '.') strcat(path, ".");
        strcat(path, extension);
    }
}
int wskc__waccess(const wchar_t *path, int mode) {
    char *text = narrow(path);
    int result = text ? access(text, mode) : -1;
    free(text);
    return result;
}
int wskc__wmkdir(const wchar_t *path) {
    char *text = narrow(path);
    int result = text ? mkdir(text, 0777) : -1;
    free(text);
    return result;
}
int wskc__wchdir(const wchar_t *path) {
    char *text = narrow(path);
    int result = text ? chdir(text) : -1;
    free(text);
    return result;
}

/* Windows names locales by languages ("korean", "Korean_Korea.949"). Here text is UTF-8 in each. */
char *wskc_setlocale(int category, const char *name) {
    if (name == NULL) return setlocale(category, NULL);
    char *set = setlocale(category, name);
    if (set == NULL || strcmp(set, "C") == 0) {
        char *utf8 = strcmp(name, "C") != 0 || category == LC_CTYPE || category == LC_ALL ? setlocale(LC_CTYPE, "C.UTF-8") : NULL;
        if (set == NULL) set = utf8;
    }
    return set;
}
wchar_t *wskc__wsetlocale(int category, const wchar_t *name) {
    static __thread wchar_t wide[128];
    char *text = name ? narrow(name) : NULL;
    const char *set = wskc_setlocale(category, text);
    size_t i = 0;
    free(text);
    if (set == NULL) return NULL;
    for (; set[i] && i + 1 < sizeof wide / sizeof wide[0]; i++) wide[i] = (wchar_t)(unsigned char)set[i];
    wide[i] = 0;
    return wide;
}

int wskc_localtime_s(struct tm *result, const time_t *time) {
    if (result == NULL || time == NULL || *time < 0) {
        if (result) memset(result, 0xff, sizeof *result);
        return EINVAL;
    }
    return localtime_r(time, result) ? 0 : EINVAL;
}
int wskc_gmtime_s(struct tm *result, const time_t *time) {
    if (result == NULL || time == NULL || *time < 0) {
        if (result) memset(result, 0xff, sizeof *result);
        return EINVAL;
    }
    return gmtime_r(time, result) ? 0 : EINVAL;
}
int wskc_asctime_s(char *buffer, size_t size, const struct tm *time) {
    if (buffer == NULL || size < 26 || time == NULL) {
        if (buffer && size) buffer[0] = 0;
        return EINVAL;
    }
    strftime(buffer, size, "%a %b %d %H:%M:%S %Y\n", time);
    return 0;
}
int wskc_ctime_s(char *buffer, size_t size, const time_t *time) {
    struct tm parts;
    if (wskc_localtime_s(&parts, time) != 0) {
        if (buffer && size) buffer[0] = 0;
        return EINVAL;
    }
    return wskc_asctime_s(buffer, size, &parts);
}
static int now_as(char *buffer, size_t size, const char *format) {
    time_t now = time(NULL);
    struct tm parts;
    if (buffer == NULL || size < 9 || localtime_r(&now, &parts) == NULL) return EINVAL;
    strftime(buffer, size, format, &parts);
    return 0;
}
int wskc__strdate_s(char *buffer, size_t size) { return now_as(buffer, size, "%m/%d/%y"); }
int wskc__strtime_s(char *buffer, size_t size) { return now_as(buffer, size, "%H:%M:%S"); }
char *wskc__strdate(char *buffer) { return wskc__strdate_s(buffer, 9) == 0 ? buffer : NULL; }
char *wskc__strtime(char *buffer) { return wskc__strtime_s(buffer, 9) == 0 ? buffer : NULL; }

void *wskc__aligned_malloc(size_t size, size_t alignment) {
    void *memory = NULL;
    if (alignment < sizeof(void *)) alignment = sizeof(void *);
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}
size_t malloc_usable_size(void *);
void *wskc__aligned_realloc(void *memory, size_t size, size_t alignment) {
    void *moved = wskc__aligned_malloc(size, alignment);
    if (moved && memory) {
        size_t old = malloc_usable_size(memory);
        memcpy(moved, memory, old < size ? old : size);
        free(memory);
    }
    return moved;
}

/* 15 bits, a sequence for each thread, from seed 1: the generator that MSVC documents. */
static __thread unsigned seed = 1;
void wskc_srand(unsigned new_seed) { seed = new_seed; }
int wskc_rand(void) {
    seed = seed * 214013u + 2531011u;
    return (int)(seed >> 16 & 0x7fff);
}
int wskc_rand_s(unsigned *value) {
    if (value == NULL) return EINVAL;
    return getrandom(value, sizeof *value, 0) == sizeof *value ? 0 : EINVAL;
}

/* argv for a wide main. */
wchar_t **wskc_wide_arguments(int argc, char **argv) {
    wchar_t **wide = calloc((size_t)argc + 1, sizeof *wide);
    for (int i = 0; wide != NULL && i < argc; i++) {
        size_t room = strlen(argv[i]) + 1;
        wide[i] = calloc(room, sizeof(wchar_t));
        if (wide[i] != NULL && mbstowcs(wide[i], argv[i], room) == (size_t)-1)
            for (size_t at = 0; at < room; at++) wide[i][at] = (wchar_t)(unsigned char)argv[i][at];
    }
    return wide;
}
