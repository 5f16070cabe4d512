/* The printf family. */
#include "format.h"
#include <limits.h>
#include <stdlib.h>

#define TRUNCATE ((size_t)-1)
#define FORWARD(call)              \
    va_list arguments;             \
    va_start(arguments, format);   \
    int length = call;             \
    va_end(arguments);             \
    return length;

int wskc_vprintf(const char *format, va_list arguments) { return wskc_print(stdout, format, arguments); }
int wskc_vfprintf(FILE *file, const char *format, va_list arguments) { return wskc_print(file, format, arguments); }
int wskc_vsnprintf(char *to, size_t size, const char *format, va_list arguments) { return wskc_print_to(to, size, format, arguments); }
int wskc_vsprintf(char *to, const char *format, va_list arguments) { return wskc_print_to(to, INT_MAX, format, arguments); }
int wskc_printf(const char *format, ...) { FORWARD(wskc_print(stdout, format, arguments)) }
int wskc_fprintf(FILE *file, const char *format, ...) { FORWARD(wskc_print(file, format, arguments)) }
int wskc_sprintf(char *to, const char *format, ...) { FORWARD(wskc_print_to(to, INT_MAX, format, arguments)) }
int wskc_snprintf(char *to, size_t size, const char *format, ...) { FORWARD(wskc_print_to(to, size, format, arguments)) }

int wskc_vwprintf(const wchar_t *format, va_list arguments) { return wskc_print_wide(stdout, format, arguments); }
int wskc_vfwprintf(FILE *file, const wchar_t *format, va_list arguments) { return wskc_print_wide(file, format, arguments); }
int wskc_wprintf(const wchar_t *format, ...) { FORWARD(wskc_print_wide(stdout, format, arguments)) }
int wskc_fwprintf(FILE *file, const wchar_t *format, ...) { FORWARD(wskc_print_wide(file, format, arguments)) }
int wskc_vswprintf(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) {
    int length = wskc_print_wide_to(to, size, format, arguments);
    return length >= 0 && (size_t)length < size ? length : -1;
}
int wskc_swprintf(wchar_t *to, size_t size, const wchar_t *format, ...) { FORWARD(wskc_vswprintf(to, size, format, arguments)) }

/* _snprintf and its kind: -1 if it does not fit, and then no zero at the end. */
int wskc__vsnprintf(char *to, size_t size, const char *format, va_list arguments) {
    char *text = NULL;
    va_list again;
    va_copy(again, arguments);
    int length = wskc_print_to(NULL, 0, format, again);
    va_end(again);
    if (length < 0 || to == NULL) return length;
    if ((size_t)length < size) return wskc_print_to(to, size, format, arguments);
    text = malloc((size_t)length + 1);
    if (text == NULL) return -1;
    wskc_print_to(text, (size_t)length + 1, format, arguments);
    for (size_t i = 0; i < size; i++) to[i] = text[i];
    free(text);
    return (size_t)length == size ? length : -1;
}
int wskc__snprintf(char *to, size_t size, const char *format, ...) { FORWARD(wskc__vsnprintf(to, size, format, arguments)) }
int wskc__vscprintf(const char *format, va_list arguments) { return wskc_print_to(NULL, 0, format, arguments); }
int wskc__scprintf(const char *format, ...) { FORWARD(wskc__vscprintf(format, arguments)) }

int wskc__vsnwprintf(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) {
    int length = wskc_print_wide_to(to, size, format, arguments);
    return length >= 0 && (size_t)length < size ? length : -1;
}
int wskc__snwprintf(wchar_t *to, size_t size, const wchar_t *format, ...) { FORWARD(wskc__vsnwprintf(to, size, format, arguments)) }
int wskc__vscwprintf(const wchar_t *format, va_list arguments) { return wskc_print_wide_to(NULL, 0, format, arguments); }
int wskc__scwprintf(const wchar_t *format, ...) { FORWARD(wskc__vscwprintf(format, arguments)) }

int wskc_vsprintf_s(char *to, size_t size, const char *format, va_list arguments) {
    if (to == NULL || size == 0 || format == NULL) {
        wskc_invalid_parameter("sprintf_s");
        return -1;
    }
    int length = wskc_print_to(to, size, format, arguments);
    if (length >= 0 && (size_t)length < size) return length;
    to[0] = 0;
    wskc_invalid_parameter("sprintf_s: the buffer is too small");
    return -1;
}
int wskc_sprintf_s(char *to, size_t size, const char *format, ...) { FORWARD(wskc_vsprintf_s(to, size, format, arguments)) }

int wskc__vsnprintf_s(char *to, size_t size, size_t count, const char *format, va_list arguments) {
    if (to == NULL || size == 0 || format == NULL) {
        wskc_invalid_parameter("_snprintf_s");
        return -1;
    }
    size_t room = count == TRUNCATE || count >= size ? size : count + 1;
    int length = wskc_print_to(to, room, format, arguments);
    if (length >= 0 && (size_t)length < room) return length;
    if (count != TRUNCATE && count >= size) {
        to[0] = 0;
        wskc_invalid_parameter("_snprintf_s: the buffer is too small");
    }
    return -1;
}
int wskc__snprintf_s(char *to, size_t size, size_t count, const char *format, ...) { FORWARD(wskc__vsnprintf_s(to, size, count, format, arguments)) }

int wskc_vswprintf_s(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) {
    if (to == NULL || size == 0 || format == NULL) {
        wskc_invalid_parameter("swprintf_s");
        return -1;
    }
    int length = wskc_print_wide_to(to, size, format, arguments);
    if (length >= 0 && (size_t)length < size) return length;
    to[0] = 0;
    wskc_invalid_parameter("swprintf_s: the buffer is too small");
    return -1;
}
int wskc_swprintf_s(wchar_t *to, size_t size, const wchar_t *format, ...) { FORWARD(wskc_vswprintf_s(to, size, format, arguments)) }

int wskc__vsnwprintf_s(wchar_t *to, size_t size, size_t count, const wchar_t *format, va_list arguments) {
    if (to == NULL || size == 0 || format == NULL) {
        wskc_invalid_parameter("_snwprintf_s");
        return -1;
    }
    size_t room = count == TRUNCATE || count >= size ? size : count + 1;
    int length = wskc_print_wide_to(to, room, format, arguments);
    if (length >= 0 && (size_t)length < room) return length;
    if (count != TRUNCATE && count >= size) {
        to[0] = 0;
        wskc_invalid_parameter("_snwprintf_s: the buffer is too small");
    }
    return -1;
}
int wskc__snwprintf_s(wchar_t *to, size_t size, size_t count, const wchar_t *format, ...) { FORWARD(wskc__vsnwprintf_s(to, size, count, format, arguments)) }

/* wsprintf: at most 1024 characters, as the documentation says. */
int wskc_wvsprintfA(char *to, const char *format, va_list arguments) {
    int length = wskc_print_to(to, 1025, format, arguments);
    return length > 1024 ? 1024 : length;
}
int wskc_wsprintfA(char *to, const char *format, ...) { FORWARD(wskc_wvsprintfA(to, format, arguments)) }
int wskc_wvsprintfW(wchar_t *to, const wchar_t *format, va_list arguments) {
    int length = wskc_print_wide_to(to, 1025, format, arguments);
    return length > 1024 ? 1024 : length;
}
int wskc_wsprintfW(wchar_t *to, const wchar_t *format, ...) { FORWARD(wskc_wvsprintfW(to, format, arguments)) }
int wskc__cprintf(const char *format, ...) { FORWARD(wskc_print(stdout, format, arguments)) }

/* StringCchPrintf and StringCbPrintf: an HRESULT, and always a zero at the end. */
#define INVALID ((int)0x80070057)
#define TOO_SMALL ((int)0x8007007a)
int wskc_StringCchVPrintfA(char *to, size_t size, const char *format, va_list arguments) {
    if (to == NULL || size == 0 || size > INT_MAX) return INVALID;
    int length = wskc_print_to(to, size, format, arguments);
    return length >= 0 && (size_t)length < size ? 0 : TOO_SMALL;
}
int wskc_StringCchVPrintfW(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) {
    if (to == NULL || size == 0 || size > INT_MAX) return INVALID;
    int length = wskc_print_wide_to(to, size, format, arguments);
    return length >= 0 && (size_t)length < size ? 0 : TOO_SMALL;
}
int wskc_StringCbVPrintfA(char *to, size_t size, const char *format, va_list arguments) { return wskc_StringCchVPrintfA(to, size, format, arguments); }
int wskc_StringCbVPrintfW(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) { return wskc_StringCchVPrintfW(to, size / sizeof(wchar_t), format, arguments); }
int wskc_StringCchPrintfA(char *to, size_t size, const char *format, ...) { FORWARD(wskc_StringCchVPrintfA(to, size, format, arguments)) }
int wskc_StringCchPrintfW(wchar_t *to, size_t size, const wchar_t *format, ...) { FORWARD(wskc_StringCchVPrintfW(to, size, format, arguments)) }
int wskc_StringCbPrintfA(char *to, size_t size, const char *format, ...) { FORWARD(wskc_StringCbVPrintfA(to, size, format, arguments)) }
int wskc_StringCbPrintfW(wchar_t *to, size_t size, const wchar_t *format, ...) { FORWARD(wskc_StringCbVPrintfW(to, size, format, arguments)) }
