/* The scanf family. The _s functions take a size after each buffer for text: it becomes the width
   of the conversion, so a longer word is cut where MSVC's library stops with an error. */
#include "format.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TARGETS 24

struct targets {
    void *pointers[MAX_TARGETS];
    int count;
};

/* Rewrites a format that is already in libc's spelling for `arguments` with sizes: widths go in,
   the pointers come out. NULL for a format with more conversions than targets. */
static void *with_sizes(const void *text, int wide, va_list arguments, struct targets *targets) {
    const char *narrow = text;
    const wchar_t *broad = text;
#define UNIT(i) (wide ? broad[i] : (wchar_t)(unsigned char)narrow[i])
    size_t length = wide ? wcslen(broad) : strlen(narrow), at = 0, out = 0;
    wchar_t *to = malloc((length * 12 + 64) * sizeof(wchar_t));
    targets->count = 0;
    if (to == NULL) return NULL;
    while (at < length) {
        wchar_t c = to[out++] = UNIT(at++);
        if (c != '%') continue;
        if (UNIT(at) == '%') {
            to[out++] = UNIT(at++);
            continue;
        }
        int skipped = 0;
        size_t width = 0, modifiers;
        if (UNIT(at) == '*') skipped = 1, to[out++] = UNIT(at++);
        while (UNIT(at) >= '0' && UNIT(at) <= '9') width = width * 10 + (size_t)(UNIT(at++) - '0');
        modifiers = at;
        while (UNIT(at) == 'h' || UNIT(at) == 'l' || UNIT(at) == 'L' || UNIT(at) == 'z' || UNIT(at) == 'j' || UNIT(at) == 't') at++;
        wchar_t conversion = UNIT(at);
        if (!skipped) {
            if (targets->count == MAX_TARGETS) {
                free(to);
                return NULL;
            }
            targets->pointers[targets->count++] = va_arg(arguments, void *);
            if (conversion == 's' || conversion == 'c' || conversion == '[') {
                size_t size = va_arg(arguments, unsigned);
                size_t most = conversion == 'c' ? size : size > 0 ? size - 1 : 0;
                if (width == 0) width = conversion == 'c' ? 1 : most;
                if (width > most) width = most;
                if (width == 0) width = 1;
            }
        }
        if (width > 0) {
            char digits[24];
            int n = snprintf(digits, sizeof digits, "%zu", width);
            for (int i = 0; i < n; i++) to[out++] = digits[i];
        }
        for (; modifiers < at; modifiers++) to[out++] = UNIT(modifiers);
        if (conversion == 0) break;
        to[out++] = conversion;
        at++;
        if (conversion == '[') {
            if (UNIT(at) == '^') to[out++] = UNIT(at++);
            if (UNIT(at) == ']') to[out++] = UNIT(at++);
            while (at < length && UNIT(at) != ']') to[out++] = UNIT(at++);
        }
    }
    to[out] = 0;
    if (!wide) {
        char *bytes = (char *)to;
        for (size_t i = 0; i <= out; i++) bytes[i] = (char)to[i];
    }
    return to;
#undef UNIT
}

#define P(t) (t).pointers[0], (t).pointers[1], (t).pointers[2], (t).pointers[3], (t).pointers[4], (t).pointers[5], \
    (t).pointers[6], (t).pointers[7], (t).pointers[8], (t).pointers[9], (t).pointers[10], (t).pointers[11],        \
    (t).pointers[12], (t).pointers[13], (t).pointers[14], (t).pointers[15], (t).pointers[16], (t).pointers[17],    \
    (t).pointers[18], (t).pointers[19], (t).pointers[20], (t).pointers[21], (t).pointers[22], (t).pointers[23]

#define BODY(wide, secure, plain_call, sized_call)                                \
    struct format ours;                                                           \
    int read = -1;                                                                \
    if (wskc_translate(&ours, format, wide, 1) != 0) return -1;                   \
    if (secure) {                                                                 \
        struct targets targets;                                                   \
        memset(&targets, 0, sizeof targets);                                      \
        void *sized = with_sizes(ours.text, wide, arguments, &targets);           \
        if (sized != NULL) read = sized_call;                                     \
        free(sized);                                                              \
    } else {                                                                      \
        read = plain_call;                                                        \
    }                                                                             \
    wskc_release(&ours);                                                          \
    return read;

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static int scan_file(FILE *file, const char *format, va_list arguments, int secure) {
    BODY(0, secure, vfscanf(file, ours.text, arguments), fscanf(file, sized, P(targets)))
}
static int scan_text(const char *text, const char *format, va_list arguments, int secure) {
    BODY(0, secure, vsscanf(text, ours.text, arguments), sscanf(text, sized, P(targets)))
}
static int scan_wide(const wchar_t *text, const wchar_t *format, va_list arguments, int secure) {
    BODY(1, secure, vswscanf(text, ours.text, arguments), swscanf(text, sized, P(targets)))
}

wint_t wskc_get_wide(FILE *file);
/* A wide read from a file goes line by line: the stream itself stays narrow, so that printf and
   wprintf can be mixed as in MSVC. Input that a conversion leaves over on its line is dropped. */
static int scan_wide_file(FILE *file, const wchar_t *format, va_list arguments, int secure) {
    wchar_t line[4096];
    size_t length = 0;
    int seen = 0;
    while (length + 1 < sizeof line / sizeof line[0]) {
        wint_t c = wskc_get_wide(file);
        if (c == WEOF) break;
        if (c == L'\n' && seen) break;
        if (c == L'\n') continue;
        if (c != L' ' && c != L'\t') seen = 1;
        line[length++] = (wchar_t)c;
    }
    line[length] = 0;
    return seen ? scan_wide(line, format, arguments, secure) : EOF;
}

#define FORWARD(call)            \
    va_list arguments;           \
    va_start(arguments, format); \
    int read = call;             \
    va_end(arguments);           \
    return read;
int wskc_scanf(const char *format, ...) { FORWARD(scan_file(stdin, format, arguments, 0)) }
int wskc_fscanf(FILE *file, const char *format, ...) { FORWARD(scan_file(file, format, arguments, 0)) }
int wskc_sscanf(const char *text, const char *format, ...) { FORWARD(scan_text(text, format, arguments, 0)) }
int wskc_vsscanf(const char *text, const char *format, va_list arguments) { return scan_text(text, format, arguments, 0); }
int wskc_scanf_s(const char *format, ...) { FORWARD(scan_file(stdin, format, arguments, 1)) }
int wskc_fscanf_s(FILE *file, const char *format, ...) { FORWARD(scan_file(file, format, arguments, 1)) }
int wskc_sscanf_s(const char *text, const char *format, ...) { FORWARD(scan_text(text, format, arguments, 1)) }
int wskc_wscanf(const wchar_t *format, ...) { FORWARD(scan_wide_file(stdin, format, arguments, 0)) }
int wskc_fwscanf(FILE *file, const wchar_t *format, ...) { FORWARD(scan_wide_file(file, format, arguments, 0)) }
int wskc_swscanf(const wchar_t *text, const wchar_t *format, ...) { FORWARD(scan_wide(text, format, arguments, 0)) }
int wskc_wscanf_s(const wchar_t *format, ...) { FORWARD(scan_wide_file(stdin, format, arguments, 1)) }
int wskc_swscanf_s(const wchar_t *text, const wchar_t *format, ...) { FORWARD(scan_wide(text, format, arguments, 1)) }
