/* The _s functions on strings and memory, and numbers as text. */
#include "format.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define TRUNCATE ((size_t)-1)
#define STRUNCATE 80

typedef void (*handler)(const wchar_t *, const wchar_t *, const wchar_t *, unsigned, size_t);
static handler invalid_parameter;
typedef void (*purecall)(void);
static purecall pure_call;

void wskc_invalid_parameter(const char *function) {
    handler now = __atomic_load_n(&invalid_parameter, __ATOMIC_ACQUIRE);
    if (now == NULL) {
        fprintf(stderr, "winsock: invalid parameter: %s\n", function);
        abort();
    }
    now(NULL, NULL, NULL, 0, 0);
}

handler wskc__set_invalid_parameter_handler(handler new_handler) { return __atomic_exchange_n(&invalid_parameter, new_handler, __ATOMIC_ACQ_REL); }
handler wskc__get_invalid_parameter_handler(void) { return __atomic_load_n(&invalid_parameter, __ATOMIC_ACQUIRE); }
/* Kept, never called: libstdc++ ends the program itself. */
purecall wskc__set_purecall_handler(purecall new_handler) { return __atomic_exchange_n(&pure_call, new_handler, __ATOMIC_ACQ_REL); }
purecall wskc__get_purecall_handler(void) { return __atomic_load_n(&pure_call, __ATOMIC_ACQUIRE); }

static int refuse(const char *function, int error) {
    wskc_invalid_parameter(function);
    errno = error;
    return error;
}

/* The four of each width: to copy or append `count` characters at most. */
#define STRINGS(T, prefix, length_of, copy_units)                                                   \
    static int prefix##put(T *to, size_t size, size_t at, const T *from, size_t count, const char *name) { \
        if (to == NULL || size == 0) return refuse(name, EINVAL);                                    \
        if (from == NULL) {                                                                         \
            to[0] = 0;                                                                              \
            return refuse(name, EINVAL);                                                            \
        }                                                                                           \
        size_t length = 0;                                                                          \
        while (length < count && from[length] != 0) length++;                                       \
        if (at + length < size) {                                                                   \
            copy_units(to + at, from, length);                                                      \
            to[at + length] = 0;                                                                    \
            return 0;                                                                               \
        }                                                                                           \
        if (count == TRUNCATE - 1) {                                                                \
            copy_units(to + at, from, size - at - 1);                                               \
            to[size - 1] = 0;                                                                       \
            return STRUNCATE;                                                                       \
        }                                                                                           \
        to[0] = 0;                                                                                  \
        return refuse(name, ERANGE);                                                                \
    }                                                                                               \
    static int prefix##append(T *to, size_t size, const T *from, size_t count, const char *name) {  \
        size_t at = 0;                                                                              \
        if (to == NULL || size == 0) return refuse(name, EINVAL);                                    \
        while (at < size && to[at] != 0) at++;                                                      \
        if (at == size) {                                                                           \
            to[0] = 0;                                                                              \
            return refuse(name, EINVAL);                                                            \
        }                                                                                           \
        return prefix##put(to, size, at, from, count, name);                                        \
    }
STRINGS(char, narrow_, strlen, memcpy)
STRINGS(wchar_t, wide_, wcslen, wmemcpy)

/* _TRUNCATE is not all characters: it cuts instead of refusing. */
static size_t counted(size_t count) { return count == TRUNCATE ? TRUNCATE - 1 : count; }

int wskc_strcpy_s(char *to, size_t size, const char *from) { return narrow_put(to, size, 0, from, TRUNCATE, "strcpy_s: the buffer is too small"); }
int wskc_strcat_s(char *to, size_t size, const char *from) { return narrow_append(to, size, from, TRUNCATE, "strcat_s: the buffer is too small"); }
int wskc_strncpy_s(char *to, size_t size, const char *from, size_t count) { return narrow_put(to, size, 0, from, counted(count), "strncpy_s: the buffer is too small"); }
int wskc_strncat_s(char *to, size_t size, const char *from, size_t count) { return narrow_append(to, size, from, counted(count), "strncat_s: the buffer is too small"); }
int wskc_wcscpy_s(wchar_t *to, size_t size, const wchar_t *from) { return wide_put(to, size, 0, from, TRUNCATE, "wcscpy_s: the buffer is too small"); }
int wskc_wcscat_s(wchar_t *to, size_t size, const wchar_t *from) { return wide_append(to, size, from, TRUNCATE, "wcscat_s: the buffer is too small"); }
int wskc_wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) { return wide_put(to, size, 0, from, counted(count), "wcsncpy_s: the buffer is too small"); }
int wskc_wcsncat_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) { return wide_append(to, size, from, counted(count), "wcsncat_s: the buffer is too small"); }

int wskc_memcpy_s(void *to, size_t size, const void *from, size_t count) {
    if (count == 0) return 0;
    if (to == NULL) return refuse("memcpy_s", EINVAL);
    if (from == NULL || count > size) {
        memset(to, 0, size);
        return refuse("memcpy_s: the buffer is too small", from == NULL ? EINVAL : ERANGE);
    }
    memcpy(to, from, count);
    return 0;
}
int wskc_memmove_s(void *to, size_t size, const void *from, size_t count) {
    if (count == 0) return 0;
    if (to == NULL || from == NULL) return refuse("memmove_s", EINVAL);
    if (count > size) return refuse("memmove_s: the buffer is too small", ERANGE);
    memmove(to, from, count);
    return 0;
}
int wskc_wmemcpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) { return wskc_memcpy_s(to, size * sizeof(wchar_t), from, count * sizeof(wchar_t)); }
size_t wskc_strnlen_s(const char *text, size_t size) { return text ? strnlen(text, size) : 0; }
size_t wskc_wcsnlen_s(const wchar_t *text, size_t size) { return text ? wcsnlen(text, size) : 0; }

char *wskc__strlwr(char *text) {
    for (char *c = text; *c; c++) *c = (char)tolower((unsigned char)*c);
    return text;
}
char *wskc__strupr(char *text) {
    for (char *c = text; *c; c++) *c = (char)toupper((unsigned char)*c);
    return text;
}
char *wskc__strrev(char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length / 2; i++) {
        char c = text[i];
        text[i] = text[length - 1 - i];
        text[length - 1 - i] = c;
    }
    return text;
}
int wskc__strlwr_s(char *text, size_t size) {
    if (text == NULL || strnlen(text, size) == size) return refuse("_strlwr_s", EINVAL);
    wskc__strlwr(text);
    return 0;
}
int wskc__strupr_s(char *text, size_t size) {
    if (text == NULL || strnlen(text, size) == size) return refuse("_strupr_s", EINVAL);
    wskc__strupr(text);
    return 0;
}
wchar_t *wskc__wcslwr(wchar_t *text) {
    for (wchar_t *c = text; *c; c++) *c = (wchar_t)towlower((wint_t)*c);
    return text;
}
wchar_t *wskc__wcsupr(wchar_t *text) {
    for (wchar_t *c = text; *c; c++) *c = (wchar_t)towupper((wint_t)*c);
    return text;
}
int wskc_strerror_s(char *buffer, size_t size, int error) {
    if (buffer == NULL || size == 0) return refuse("strerror_s", EINVAL);
    return narrow_put(buffer, size, 0, strerror(error), TRUNCATE - 1, "strerror_s") == 0 ? 0 : 0;
}

/* Digits of `value` in `radix`, in a buffer of 72; a sign only in radix 10. */
static const char *digits(unsigned long long value, int negative, int radix, char buffer[72]) {
    char *at = buffer + 71;
    *at = 0;
    do {
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[value % (unsigned)radix];
        value /= (unsigned)radix;
    } while (value != 0);
    if (negative) *--at = '-';
    return at;
}
static const char *signed_digits(long long value, unsigned long long as_unsigned, int radix, char buffer[72]) {
    if (radix == 10 && value < 0) return digits(0 - (unsigned long long)value, 1, 10, buffer);
    return digits(as_unsigned, 0, radix, buffer);
}
static int to_text(const char *text, char *to, size_t size, int radix, const char *name) {
    (void)radix;
    return narrow_put(to, size, 0, text, TRUNCATE, name);
}
#define BAD_RADIX(radix) ((radix) < 2 || (radix) > 36)

int wskc__itoa_s(int value, char *to, size_t size, int radix) {
    char buffer[72];
    if (BAD_RADIX(radix)) return refuse("_itoa_s: the radix", EINVAL);
    return to_text(signed_digits(value, (unsigned)value, radix, buffer), to, size, radix, "_itoa_s: the buffer is too small");
}
int wskc__ltoa_s(int value, char *to, size_t size, int radix) { return wskc__itoa_s(value, to, size, radix); }
int wskc__i64toa_s(long long value, char *to, size_t size, int radix) {
    char buffer[72];
    if (BAD_RADIX(radix)) return refuse("_i64toa_s: the radix", EINVAL);
    return to_text(signed_digits(value, (unsigned long long)value, radix, buffer), to, size, radix, "_i64toa_s: the buffer is too small");
}
int wskc__ui64toa_s(unsigned long long value, char *to, size_t size, int radix) {
    char buffer[72];
    if (BAD_RADIX(radix)) return refuse("_ui64toa_s: the radix", EINVAL);
    return to_text(digits(value, 0, radix, buffer), to, size, radix, "_ui64toa_s: the buffer is too small");
}
char *wskc__itoa(int value, char *to, int radix) { return wskc__itoa_s(value, to, 34, radix) == 0 ? to : NULL; }
char *wskc__ltoa(int value, char *to, int radix) { return wskc__itoa(value, to, radix); }
char *wskc__ultoa(unsigned value, char *to, int radix) { return wskc__ui64toa_s(value, to, 34, radix) == 0 ? to : NULL; }
char *wskc__i64toa(long long value, char *to, int radix) { return wskc__i64toa_s(value, to, 66, radix) == 0 ? to : NULL; }
char *wskc__ui64toa(unsigned long long value, char *to, int radix) { return wskc__ui64toa_s(value, to, 66, radix) == 0 ? to : NULL; }
int wskc__itow_s(int value, wchar_t *to, size_t size, int radix) {
    char buffer[72];
    wchar_t wide[72];
    if (BAD_RADIX(radix)) return refuse("_itow_s: the radix", EINVAL);
    const char *text = signed_digits(value, (unsigned)value, radix, buffer);
    size_t i = 0;
    for (; text[i]; i++) wide[i] = (wchar_t)text[i];
    wide[i] = 0;
    return wide_put(to, size, 0, wide, TRUNCATE, "_itow_s: the buffer is too small");
}
wchar_t *wskc__itow(int value, wchar_t *to, int radix) { return wskc__itow_s(value, to, 34, radix) == 0 ? to : NULL; }
int wskc__wtoi(const wchar_t *text) { return (int)wcstol(text, NULL, 10); }
long long wskc__wtoi64(const wchar_t *text) { return wcstoll(text, NULL, 10); }
double wskc__wtof(const wchar_t *text) { return wcstod(text, NULL); }

/* StringCchCopy and its kind: an HRESULT, cut to fit, always a zero at the end. */
#define INVALID ((int)0x80070057)
#define TOO_SMALL ((int)0x8007007a)
#define SAFE(T, suffix, unit)                                                                          \
    static int safe_put##suffix(T *to, size_t size, size_t at, const T *from, size_t count) {           \
        if (to == NULL || size == 0 || size > 2147483647) return INVALID;                               \
        size_t i = 0;                                                                                  \
        while (i < count && from[i] != 0 && at + i + 1 < size) to[at + i] = from[i], i++;               \
        to[at + i] = 0;                                                                                \
        return i == count || from[i] == 0 ? 0 : TOO_SMALL;                                              \
    }                                                                                                  \
    static int safe_append##suffix(T *to, size_t size, const T *from, size_t count) {                   \
        size_t at = 0;                                                                                 \
        if (to == NULL || size == 0 || size > 2147483647) return INVALID;                               \
        while (at < size && to[at] != 0) at++;                                                         \
        return at == size ? INVALID : safe_put##suffix(to, size, at, from, count);                      \
    }                                                                                                  \
    static int safe_length##suffix(const T *text, size_t size, size_t *length, size_t each) {           \
        size_t at = 0;                                                                                 \
        if (length != NULL) *length = 0;                                                               \
        if (text == NULL || size > 2147483647) return INVALID;                                          \
        while (at < size && text[at] != 0) at++;                                                       \
        if (at == size) return INVALID;                                                                \
        if (length != NULL) *length = at * each;                                                       \
        return 0;                                                                                      \
    }                                                                                                  \
    int wskc_StringCchCopy##suffix(T *to, size_t size, const T *from) { return safe_put##suffix(to, size, 0, from, TRUNCATE); }            \
    int wskc_StringCchCopyN##suffix(T *to, size_t size, const T *from, size_t count) { return safe_put##suffix(to, size, 0, from, count); } \
    int wskc_StringCchCat##suffix(T *to, size_t size, const T *from) { return safe_append##suffix(to, size, from, TRUNCATE); }             \
    int wskc_StringCchCatN##suffix(T *to, size_t size, const T *from, size_t count) { return safe_append##suffix(to, size, from, count); }  \
    int wskc_StringCchLength##suffix(const T *text, size_t size, size_t *length) { return safe_length##suffix(text, size, length, 1); }     \
    int wskc_StringCbCopy##suffix(T *to, size_t size, const T *from) { return safe_put##suffix(to, size / unit, 0, from, TRUNCATE); }       \
    int wskc_StringCbCopyN##suffix(T *to, size_t size, const T *from, size_t count) { return safe_put##suffix(to, size / unit, 0, from, count / unit); } \
    int wskc_StringCbCat##suffix(T *to, size_t size, const T *from) { return safe_append##suffix(to, size / unit, from, TRUNCATE); }        \
    int wskc_StringCbCatN##suffix(T *to, size_t size, const T *from, size_t count) { return safe_append##suffix(to, size / unit, from, count / unit); } \
    int wskc_StringCbLength##suffix(const T *text, size_t size, size_t *length) { return safe_length##suffix(text, size / unit, length, unit); }
SAFE(char, A, 1)
SAFE(wchar_t, W, sizeof(wchar_t))
