/* The C run-time's names that MSVC has and libc has not: the _s functions, names with an underscore. */
#ifndef WSK_CRT_H
#define WSK_CRT_H
#include "compiler.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>
#include <unistd.h>
#include <malloc.h>

typedef int errno_t;
typedef size_t rsize_t;
typedef struct wsk_locale *_locale_t;
typedef time_t __time64_t;
typedef int __time32_t;
#define _TRUNCATE ((size_t)-1)
#define STRUNCATE 80
#define _MAX_PATH 260
#define _MAX_DRIVE 3
#define _MAX_DIR 256
#define _MAX_FNAME 256
#define _MAX_EXT 256
#define _MAX_ENV 32767
#define _CVTBUFSIZE 349
#define RSIZE_MAX (SIZE_MAX >> 1)

#ifdef __cplusplus
extern "C++" {
template <class T, size_t N> char (*wsk_countof(T (&)[N]))[N];
}
#define _countof(array) (sizeof(*wsk_countof(array)))
#else
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#endif

typedef void (*_invalid_parameter_handler)(const wchar_t *expression, const wchar_t *function, const wchar_t *file, unsigned line, uintptr_t reserved);
typedef void (*_purecall_handler)(void);

WSK_BEGIN
_invalid_parameter_handler _set_invalid_parameter_handler(_invalid_parameter_handler handler) WSK(_set_invalid_parameter_handler);
_invalid_parameter_handler _get_invalid_parameter_handler(void) WSK(_get_invalid_parameter_handler);
_purecall_handler _set_purecall_handler(_purecall_handler handler) WSK(_set_purecall_handler);
_purecall_handler _get_purecall_handler(void) WSK(_get_purecall_handler);

/* Strings. */
errno_t strcpy_s(char *to, size_t size, const char *from) WSK(strcpy_s);
errno_t strcat_s(char *to, size_t size, const char *from) WSK(strcat_s);
errno_t strncpy_s(char *to, size_t size, const char *from, size_t count) WSK(strncpy_s);
errno_t strncat_s(char *to, size_t size, const char *from, size_t count) WSK(strncat_s);
errno_t wcscpy_s(wchar_t *to, size_t size, const wchar_t *from) WSK(wcscpy_s);
errno_t wcscat_s(wchar_t *to, size_t size, const wchar_t *from) WSK(wcscat_s);
errno_t wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(wcsncpy_s);
errno_t wcsncat_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(wcsncat_s);
errno_t memcpy_s(void *to, size_t size, const void *from, size_t count) WSK(memcpy_s);
errno_t memmove_s(void *to, size_t size, const void *from, size_t count) WSK(memmove_s);
errno_t wmemcpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(wmemcpy_s);
size_t strnlen_s(const char *text, size_t size) WSK(strnlen_s);
size_t wcsnlen_s(const wchar_t *text, size_t size) WSK(wcsnlen_s);
char *_strlwr(char *text) WSK(_strlwr);
char *_strupr(char *text) WSK(_strupr);
char *_strrev(char *text) WSK(_strrev);
errno_t _strlwr_s(char *text, size_t size) WSK(_strlwr_s);
errno_t _strupr_s(char *text, size_t size) WSK(_strupr_s);
wchar_t *_wcslwr(wchar_t *text) WSK(_wcslwr);
wchar_t *_wcsupr(wchar_t *text) WSK(_wcsupr);
errno_t strerror_s(char *buffer, size_t size, int error) WSK(strerror_s);

/* Numbers. */
char *_itoa(int value, char *buffer, int radix) WSK(_itoa);
char *_ltoa(int value, char *buffer, int radix) WSK(_ltoa);
char *_ultoa(unsigned value, char *buffer, int radix) WSK(_ultoa);
char *_i64toa(long long value, char *buffer, int radix) WSK(_i64toa);
char *_ui64toa(unsigned long long value, char *buffer, int radix) WSK(_ui64toa);
wchar_t *_itow(int value, wchar_t *buffer, int radix) WSK(_itow);
errno_t _itoa_s(int value, char *buffer, size_t size, int radix) WSK(_itoa_s);
errno_t _ltoa_s(int value, char *buffer, size_t size, int radix) WSK(_ltoa_s);
errno_t _i64toa_s(long long value, char *buffer, size_t size, int radix) WSK(_i64toa_s);
errno_t _ui64toa_s(unsigned long long value, char *buffer, size_t size, int radix) WSK(_ui64toa_s);
errno_t _itow_s(int value, wchar_t *buffer, size_t size, int radix) WSK(_itow_s);
int _wtoi(const wchar_t *text) WSK(_wtoi);
long long _wtoi64(const wchar_t *text) WSK(_wtoi64);
double _wtof(const wchar_t *text) WSK(_wtof);

/* Formatted output and input. */
int sprintf_s(char *to, size_t size, const char *format, ...) WSK(sprintf_s);
int vsprintf_s(char *to, size_t size, const char *format, va_list arguments) WSK(vsprintf_s);
int _snprintf(char *to, size_t size, const char *format, ...) WSK(_snprintf);
int _vsnprintf(char *to, size_t size, const char *format, va_list arguments) WSK(_vsnprintf);
int _snprintf_s(char *to, size_t size, size_t count, const char *format, ...) WSK(_snprintf_s);
int _vsnprintf_s(char *to, size_t size, size_t count, const char *format, va_list arguments) WSK(_vsnprintf_s);
int _scprintf(const char *format, ...) WSK(_scprintf);
int _vscprintf(const char *format, va_list arguments) WSK(_vscprintf);
int printf_s(const char *format, ...) WSK(printf);
int fprintf_s(FILE *file, const char *format, ...) WSK(fprintf);
int vprintf_s(const char *format, va_list arguments) WSK(vprintf);
int vfprintf_s(FILE *file, const char *format, va_list arguments) WSK(vfprintf);
int swprintf_s(wchar_t *to, size_t size, const wchar_t *format, ...) WSK(swprintf_s);
int vswprintf_s(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) WSK(vswprintf_s);
int _snwprintf(wchar_t *to, size_t size, const wchar_t *format, ...) WSK(_snwprintf);
int _vsnwprintf(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) WSK(_vsnwprintf);
int _snwprintf_s(wchar_t *to, size_t size, size_t count, const wchar_t *format, ...) WSK(_snwprintf_s);
int _vsnwprintf_s(wchar_t *to, size_t size, size_t count, const wchar_t *format, va_list arguments) WSK(_vsnwprintf_s);
int _scwprintf(const wchar_t *format, ...) WSK(_scwprintf);
int _vscwprintf(const wchar_t *format, va_list arguments) WSK(_vscwprintf);
int wprintf_s(const wchar_t *format, ...) WSK(wprintf);
int fwprintf_s(FILE *file, const wchar_t *format, ...) WSK(fwprintf);
int scanf_s(const char *format, ...) WSK(scanf_s);
int sscanf_s(const char *text, const char *format, ...) WSK(sscanf_s);
int fscanf_s(FILE *file, const char *format, ...) WSK(fscanf_s);
int wscanf_s(const wchar_t *format, ...) WSK(wscanf_s);
int swscanf_s(const wchar_t *text, const wchar_t *format, ...) WSK(swscanf_s);
int wsk_scanf(const char *format, ...);
int wsk_sscanf(const char *text, const char *format, ...);
int wsk_fscanf(FILE *file, const char *format, ...);
int wsk_vsscanf(const char *text, const char *format, va_list arguments);
int wsk_wscanf(const wchar_t *format, ...);
int wsk_swscanf(const wchar_t *text, const wchar_t *format, ...);
int wsk_fwscanf(FILE *file, const wchar_t *format, ...);
char *gets_s(char *buffer, size_t size) WSK(gets_s);
char *wsk_gets(char *buffer);
wchar_t *_getws_s(wchar_t *buffer, size_t size) WSK(_getws_s);
int _putws(const wchar_t *text) WSK(_putws);

/* Files, the environment, paths. */
errno_t fopen_s(FILE **file, const char *name, const char *mode) WSK(fopen_s);
errno_t freopen_s(FILE **file, const char *name, const char *mode, FILE *old) WSK(freopen_s);
errno_t _wfopen_s(FILE **file, const wchar_t *name, const wchar_t *mode) WSK(_wfopen_s);
FILE *_wfopen(const wchar_t *name, const wchar_t *mode) WSK(_wfopen);
FILE *_fsopen(const char *name, const char *mode, int share) WSK(_fsopen);
FILE *_wfsopen(const wchar_t *name, const wchar_t *mode, int share) WSK(_wfsopen);
size_t fread_s(void *buffer, size_t buffer_size, size_t size, size_t count, FILE *file) WSK(fread_s);
errno_t _dupenv_s(char **value, size_t *length, const char *name) WSK(_dupenv_s);
errno_t getenv_s(size_t *needed, char *buffer, size_t size, const char *name) WSK(getenv_s);
int _putenv(const char *text) WSK(_putenv);
errno_t _putenv_s(const char *name, const char *value) WSK(_putenv_s);
int _wsystem(const wchar_t *command) WSK(_wsystem);
int wsk_system(const char *command);
char *_fullpath(char *buffer, const char *path, size_t size) WSK(_fullpath);
void _splitpath(const char *path, char *drive, char *folder, char *name, char *extension) WSK(_splitpath);
errno_t _splitpath_s(const char *path, char *drive, size_t drive_size, char *folder, size_t folder_size, char *name, size_t name_size, char *extension, size_t extension_size) WSK(_splitpath_s);
void _wsplitpath(const wchar_t *path, wchar_t *drive, wchar_t *folder, wchar_t *name, wchar_t *extension) WSK(_wsplitpath);
void _makepath(char *path, const char *drive, const char *folder, const char *name, const char *extension) WSK(_makepath);
wchar_t *_wsetlocale(int category, const wchar_t *locale) WSK(_wsetlocale);

/* Time. */
errno_t localtime_s(struct tm *result, const time_t *time) WSK(localtime_s);
errno_t gmtime_s(struct tm *result, const time_t *time) WSK(gmtime_s);
errno_t ctime_s(char *buffer, size_t size, const time_t *time) WSK(ctime_s);
errno_t asctime_s(char *buffer, size_t size, const struct tm *time) WSK(asctime_s);
char *_strdate(char *buffer) WSK(_strdate);
char *_strtime(char *buffer) WSK(_strtime);
errno_t _strdate_s(char *buffer, size_t size) WSK(_strdate_s);
errno_t _strtime_s(char *buffer, size_t size) WSK(_strtime_s);

/* Memory and numbers at random. */
void *_aligned_malloc(size_t size, size_t alignment) WSK(_aligned_malloc);
void *_aligned_realloc(void *memory, size_t size, size_t alignment) WSK(_aligned_realloc);
errno_t rand_s(unsigned *value) WSK(rand_s);
WSK_END

#define _aligned_free free
#define _msize(memory) malloc_usable_size(memory)
#define _expand(memory, size) NULL
#define _alloca __builtin_alloca
#define _malloca(size) malloc(size)
#define _freea(memory) free(memory)
#define _strdup strdup
#define _wcsdup wcsdup
#define _stricmp strcasecmp
#define stricmp strcasecmp
#define _strcmpi strcasecmp
#define strcmpi strcasecmp
#define _strnicmp strncasecmp
#define strnicmp strncasecmp
#define _wcsicmp wcscasecmp
#define _wcsnicmp wcsncasecmp
#define _memicmp strncasecmp
#define strtok_s strtok_r
#define wcstok_s wcstok
#define _atoi64 atoll
#define _strtoi64 strtoll
#define _strtoui64 strtoull
#define _wcstoui64 wcstoull
#define _memccpy memccpy
#define _hypot hypot
#define _isnan(x) __builtin_isnan(x)
#define _finite(x) __builtin_isfinite(x)
#define _time64 time
#define _mktime64 mktime
#define _localtime64 localtime
#define _gmtime64 gmtime
#define _localtime64_s localtime_s
#define _gmtime64_s gmtime_s
#define _tzset tzset
#define _environ environ
#define _fileno fileno
#define _popen popen
#define _pclose pclose
#define _fseeki64 fseeko
#define _ftelli64 ftello
#define _flushall() fflush(NULL)
#define _fcloseall fcloseall
#define _get_errno(value) (*(value) = errno, 0)
#define _set_errno(value) (errno = (value), 0)
#define _doserrno errno
#define _lrotl(v, n) ((unsigned)(((v) << ((n)&31)) | ((unsigned)(v) >> ((32 - (n)) & 31))))
#define _rotl(v, n) ((unsigned)(((v) << ((n)&31)) | ((unsigned)(v) >> ((32 - (n)) & 31))))
#define _rotr(v, n) ((unsigned)(((unsigned)(v) >> ((n)&31)) | ((v) << ((32 - (n)) & 31))))
#define _rotl64(v, n) (((unsigned long long)(v) << ((n)&63)) | ((unsigned long long)(v) >> ((64 - (n)) & 63)))
#define _rotr64(v, n) (((unsigned long long)(v) >> ((n)&63)) | ((unsigned long long)(v) << ((64 - (n)) & 63)))
#define _byteswap_ushort __builtin_bswap16
#define _byteswap_ulong __builtin_bswap32
#define _byteswap_uint64 __builtin_bswap64
#define __max(a, b) (((a) > (b)) ? (a) : (b))
#define __min(a, b) (((a) < (b)) ? (a) : (b))
#ifndef WSK_NO_OLDNAMES
#define itoa _itoa
#define ltoa _ltoa
#define ultoa _ultoa
#define strlwr _strlwr
#define strupr _strupr
#define strrev _strrev
#endif
#define gets wsk_gets
#define _O_TEXT 0x4000
#define _O_BINARY 0x8000
#define _O_WTEXT 0x10000
#define _O_U16TEXT 0x20000
#define _O_U8TEXT 0x40000
WSK_INLINE int _setmode(int descriptor, int mode) {
    (void)descriptor;
    (void)mode;
    return _O_TEXT;
}
#define setmode _setmode
#define _SH_DENYNO 0x40
#define _SH_DENYRW 0x10
#define _SH_DENYWR 0x20
#define _SH_DENYRD 0x30

#ifdef __cplusplus
#include "crt.hpp"
#endif
#endif
