/* What the files of the C run-time share. */
#ifndef WSKC_FORMAT_H
#define WSKC_FORMAT_H
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <wchar.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* A format in libc's spelling, made from one in MSVC's. */
struct format {
    const void *text;
    void *allocated;
    wchar_t stack[384];
};
/* `wide`: the units are wchar_t, and %s means a wide string. 0, or -1 without memory. */
HIDDEN int wskc_translate(struct format *format, const void *text, int wide, int input);
HIDDEN void wskc_release(struct format *format);
HIDDEN int wskc_print(FILE *file, const char *format, va_list arguments);
HIDDEN int wskc_print_to(char *to, size_t size, const char *format, va_list arguments);
HIDDEN int wskc_print_wide(FILE *file, const wchar_t *format, va_list arguments);
/* Like vswprintf, but -1 only on failure: what does not fit is counted. */
HIDDEN int wskc_print_wide_to(wchar_t *to, size_t size, const wchar_t *format, va_list arguments);
/* A parameter that MSVC's library refuses: the program's handler, or the end. */
HIDDEN void wskc_invalid_parameter(const char *function);
#endif
