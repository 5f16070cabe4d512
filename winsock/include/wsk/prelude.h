/* The compiler driver puts this before each source: what MSVC has before the first line. */
#ifndef WSK_PRELUDE_H
#define WSK_PRELUDE_H

/* printf and its kind in MSVC's meaning (src/c/format.c): bound before libc declares them. */
#pragma redefine_extname printf wsk_printf
#pragma redefine_extname fprintf wsk_fprintf
#pragma redefine_extname sprintf wsk_sprintf
#pragma redefine_extname snprintf wsk_snprintf
#pragma redefine_extname vprintf wsk_vprintf
#pragma redefine_extname vfprintf wsk_vfprintf
#pragma redefine_extname vsprintf wsk_vsprintf
#pragma redefine_extname vsnprintf wsk_vsnprintf
#pragma redefine_extname wprintf wsk_wprintf
#pragma redefine_extname fwprintf wsk_fwprintf
#pragma redefine_extname swprintf wsk_swprintf
#pragma redefine_extname vwprintf wsk_vwprintf
#pragma redefine_extname vfwprintf wsk_vfwprintf
#pragma redefine_extname vswprintf wsk_vswprintf
#pragma redefine_extname fputws wsk_fputws
#pragma redefine_extname fputwc wsk_fputwc
#pragma redefine_extname putwchar wsk_putwchar
/* A backslash in a path is a separator. */
#pragma redefine_extname fopen wsk_fopen
/* "pause" and "cls" are known. */
#pragma redefine_extname system wsk_system
#pragma redefine_extname rand wsk_rand
#pragma redefine_extname srand wsk_srand
#pragma redefine_extname setlocale wsk_setlocale

#include "compiler.h"
#pragma push_macro("FD_SETSIZE")
#ifdef __cplusplus
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <cinttypes>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <inttypes.h>
#include <sys/types.h>
#include <sys/select.h>
#include <unistd.h>
/* libc's value goes, so that the program may define its own without a warning. */
#undef FD_SETSIZE
#pragma pop_macro("FD_SETSIZE")
#pragma push_macro("__FD_SETSIZE")
#undef __FD_SETSIZE
#if defined(FD_SETSIZE) && FD_SETSIZE + 0 == 0
#undef FD_SETSIZE
#endif
#pragma pop_macro("__FD_SETSIZE")

#undef RAND_MAX
#define RAND_MAX 0x7fff

/* `l` means 32 bits in these formats. */
#undef PRId64
#undef PRIi64
#undef PRIu64
#undef PRIx64
#undef PRIX64
#undef PRIo64
#define PRId64 "lld"
#define PRIi64 "lli"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIX64 "llX"
#define PRIo64 "llo"
#undef SCNd64
#undef SCNu64
#undef SCNx64
#define SCNd64 "lld"
#define SCNu64 "llu"
#define SCNx64 "llx"

/* Structured exceptions: one error that says so, where the source uses them. The driver renames
   __try and its kind, which are libstdc++'s names too. */
#define wsk_seh_try \
    _Pragma("GCC error \"__try: structured exception handling is a feature of Windows that no compiler offers here. Use C++ exceptions, or check the error before it happens.\"") if (1)
#define wsk_seh_except(filter) else if ((filter) != 0)
#define wsk_seh_finally
#define wsk_seh_leave ((void)0)

#ifdef __cplusplus
extern "C" wchar_t **wsk_wide_arguments(int argc, char **argv);
inline int wsk_call_main(int (*entry)(int, char **), int argc, char **argv) { return entry(argc, argv); }
inline int wsk_call_main(int (*entry)(int, char **, char **), int argc, char **argv) { return entry(argc, argv, environ); }
inline int wsk_call_main(int (*entry)(), int, char **) { return entry(); }
inline int wsk_call_main(void (*entry)(int, char **), int argc, char **argv) { return entry(argc, argv), 0; }
inline int wsk_call_main(void (*entry)(), int, char **) { return entry(), 0; }
inline int wsk_call_main(int (*entry)(int, wchar_t **), int argc, wchar_t **argv) { return entry(argc, argv); }
inline int wsk_call_main(int (*entry)(int, wchar_t **, wchar_t **), int argc, wchar_t **argv) { return entry(argc, argv, 0); }
inline int wsk_call_main(int (*entry)(), int, wchar_t **) { return entry(); }
inline int wsk_call_main(void (*entry)(int, wchar_t **), int argc, wchar_t **argv) { return entry(argc, argv), 0; }
inline int wsk_call_main(void (*entry)(), int, wchar_t **) { return entry(), 0; }
#else
wchar_t **wsk_wide_arguments(int argc, char **argv);
#endif

#include "crt.h"

#ifdef WSK_LOW_POINTERS
/* A 32-bit program keeps pointers in DWORDs: the heap stays below 4 GiB, where a program that is
   linked without PIE has it, and is not spread over other arenas. */
__attribute__((constructor, unused)) static void wsk_low_pointers(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_MAX, 0);
}
#endif
#endif
