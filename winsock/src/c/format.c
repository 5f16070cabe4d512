/* Formats in MSVC's meaning: %I64d, %Iu and %S are known, %ld has 32 bits as a LONG has, and in wide
   formats %s is a wide string. They are rewritten into libc's spelling, and libc does the work. */
#include "format.h"
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* %ls and the wide functions convert by the locale, which is ASCII until it is set. */
__attribute__((constructor)) static void use_utf8(void) {
    const char *now = setlocale(LC_CTYPE, NULL);
    if (now != NULL && strcmp(now, "C") == 0) setlocale(LC_CTYPE, "C.UTF-8");
}

struct reader {
    const char *narrow;
    const wchar_t *wide;
};

static wchar_t unit(const struct reader *from, size_t at) {
    return from->wide ? from->wide[at] : (wchar_t)(unsigned char)from->narrow[at];
}

static int is_one_of(wchar_t c, const char *set) { return c != 0 && c < 128 && strchr(set, (int)c) != NULL; }

enum length { NONE, HH, H, L, LL, LONG_DOUBLE, I, W, OTHER };

/* Reads a length modifier at `*at`. OTHER (j, z, t) is copied as it is. */
static enum length read_length(const struct reader *from, size_t *at) {
    wchar_t c = unit(from, *at), next = c ? unit(from, *at + 1) : 0;
    switch (c) {
    case 'h':
        *at += next == 'h' ? 2 : 1;
        return next == 'h' ? HH : H;
    case 'l':
        *at += next == 'l' ? 2 : 1;
        return next == 'l' ? LL : L;
    case 'L': ++*at; return LONG_DOUBLE;
    case 'w': ++*at; return W;
    case 'j':
    case 'z':
    case 't': return OTHER;
    case 'I':
        if (next == '6' && unit(from, *at + 2) == '4') {
            *at += 3;
            return LL;
        }
        if (next == '3' && unit(from, *at + 2) == '2') {
            *at += 3;
            return NONE;
        }
        ++*at;
        return I;
    default: return NONE;
    }
}

/* libc's spelling of a conversion. */
static const char *spelling(enum length length, wchar_t conversion, int wide, int input) {
    static const char *const integer[] = {"", "hh", "h", "", "ll", "ll", "z", "", ""};
    if (is_one_of(conversion, "diouxXn")) return integer[length];
    if (is_one_of(conversion, "eEfFgGaA")) return length == LONG_DOUBLE ? "L" : (input && length == L) ? "l" : "";
    if (is_one_of(conversion, "sc[")) {
        if (length == L || length == W) return "l";
        if (length == H) return "";
        return wide ? "l" : "";
    }
    /* %S and %C are the other width. */
    if (length == H) return "";
    if (length == L || length == W) return "l";
    return wide ? "" : "l";
}

int wskc_translate(struct format *format, const void *text, int wide, int input) {
    struct reader from = {wide ? NULL : text, wide ? text : NULL};
    size_t length = wide ? wcslen(text) : strlen(text);
    size_t room = length * 4 + 8, at = 0, out = 0;
    wchar_t *to = format->stack;
    format->allocated = NULL;
    if (length > (1u << 24)) return -1;
    if (room > sizeof(format->stack) / sizeof(format->stack[0])) {
        to = format->allocated = malloc(room * sizeof(wchar_t));
        if (to == NULL) return -1;
    }
    while (at < length) {
        wchar_t c = unit(&from, at);
        to[out++] = c;
        at++;
        if (c != '%') continue;
        if (unit(&from, at) == '%') {
            to[out++] = '%';
            at++;
            continue;
        }
        while (at < length && is_one_of(unit(&from, at), input ? "*0123456789" : "-+ #0'*.123456789$")) to[out++] = unit(&from, at++);
        enum length modifier = read_length(&from, &at);
        if (modifier == OTHER) to[out++] = unit(&from, at++);
        wchar_t conversion = at < length ? unit(&from, at) : 0;
        if (conversion == 0) break;
        at++;
        if (conversion == 'p' && !input) {
            to[out++] = '.', to[out++] = '1', to[out++] = '6', to[out++] = 'l', to[out++] = 'X';
            continue;
        }
        if (modifier != OTHER && is_one_of(conversion, "diouxXneEfFgGaAscSC["))
            for (const char *s = spelling(modifier, conversion, wide, input); *s; s++) to[out++] = *s;
        to[out++] = conversion == 'S' ? 's' : conversion == 'C' ? 'c' : conversion;
        if (conversion == '[' && input) {
            /* A set: copied up to its end, so that a % in it starts nothing. */
            if (unit(&from, at) == '^') to[out++] = unit(&from, at++);
            if (unit(&from, at) == ']') to[out++] = unit(&from, at++);
            while (at < length && unit(&from, at) != ']') to[out++] = unit(&from, at++);
        }
    }
    to[out] = 0;
    format->text = to;
    if (!wide) {
        /* In place: each byte is stored before the unit that it came from is overwritten. */
        char *bytes = (char *)to;
        for (size_t i = 0; i <= out; i++) bytes[i] = (char)to[i];
    }
    return 0;
}

void wskc_release(struct format *format) { free(format->allocated); }

int wskc_print(FILE *file, const char *format, va_list arguments) {
    struct format ours;
    if (wskc_translate(&ours, format, 0, 0) != 0) return -1;
    int printed = vfprintf(file, ours.text, arguments);
    wskc_release(&ours);
    return printed;
}

int wskc_print_to(char *to, size_t size, const char *format, va_list arguments) {
    struct format ours;
    if (wskc_translate(&ours, format, 0, 0) != 0) return -1;
    int printed = vsnprintf(to, size, ours.text, arguments);
    wskc_release(&ours);
    return printed;
}

/* vswprintf says only that the room was too small, so the room grows up to this. */
#define MAX_WIDE (1u << 20)

static wchar_t *print_wide(const wchar_t *format, va_list arguments, int *length) {
    struct format ours;
    if (wskc_translate(&ours, format, 1, 0) != 0) return NULL;
    wchar_t *text = NULL;
    for (size_t room = 1024; room <= MAX_WIDE; room *= 4) {
        wchar_t *bigger = realloc(text, room * sizeof(wchar_t));
        if (bigger == NULL) break;
        text = bigger;
        va_list again;
        va_copy(again, arguments);
        *length = vswprintf(text, room, ours.text, again);
        va_end(again);
        if (*length >= 0) {
            wskc_release(&ours);
            return text;
        }
    }
    wskc_release(&ours);
    free(text);
    return NULL;
}

static int put_wide(wchar_t c, FILE *file) {
    char bytes[8];
    unsigned u = (unsigned)c;
    int n = 0;
    if (u < 0x80) bytes[n++] = (char)u;
    else if (u < 0x800) bytes[n++] = (char)(0xc0 | u >> 6), bytes[n++] = (char)(0x80 | (u & 0x3f));
    else if (u < 0x10000) bytes[n++] = (char)(0xe0 | u >> 12), bytes[n++] = (char)(0x80 | (u >> 6 & 0x3f)), bytes[n++] = (char)(0x80 | (u & 0x3f));
    else bytes[n++] = (char)(0xf0 | (u >> 18 & 7)), bytes[n++] = (char)(0x80 | (u >> 12 & 0x3f)), bytes[n++] = (char)(0x80 | (u >> 6 & 0x3f)), bytes[n++] = (char)(0x80 | (u & 0x3f));
    return fwrite(bytes, 1, (size_t)n, file) == (size_t)n ? 0 : -1;
}

int wskc_print_wide(FILE *file, const wchar_t *format, va_list arguments) {
    int length = 0;
    wchar_t *text = print_wide(format, arguments, &length);
    if (text == NULL) return -1;
    for (int i = 0; i < length; i++)
        if (put_wide(text[i], file) != 0) length = -1;
    free(text);
    return length;
}

int wskc_print_wide_to(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) {
    int length = 0;
    wchar_t *text = print_wide(format, arguments, &length);
    if (text == NULL) return -1;
    if (size > 0) {
        size_t copied = (size_t)length < size ? (size_t)length : size - 1;
        wmemcpy(to, text, copied);
        to[copied] = 0;
    }
    free(text);
    return length;
}

int wskc_put_wide(wchar_t c, FILE *file) { return put_wide(c, file); }

/* One character of UTF-8. */
wint_t wskc_get_wide(FILE *file) {
    int first = getc(file);
    if (first == EOF) return WEOF;
    if (first < 0xc0) return (wint_t)first;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    unsigned u = (unsigned)first & (0x3fu >> more);
    while (more-- > 0) {
        int next = getc(file);
        if (next == EOF) return WEOF;
        u = u << 6 | ((unsigned)next & 0x3f);
    }
    return (wint_t)u;
}

int wskc_fputws(const wchar_t *text, FILE *file) {
    for (; *text; text++)
        if (put_wide(*text, file) != 0) return -1;
    return 0;
}

int wskc__putws(const wchar_t *text) { return wskc_fputws(text, stdout) == 0 && put_wide('\n', stdout) == 0 ? 0 : -1; }

wint_t wskc_fputwc(wchar_t c, FILE *file) { return put_wide(c, file) == 0 ? (wint_t)c : WEOF; }

wint_t wskc_putwchar(wchar_t c) { return wskc_fputwc(c, stdout); }
