/* C++ only: the _s functions that take the size from the array. */
#ifndef WSK_CRT_HPP
#define WSK_CRT_HPP
extern "C++" {
template <size_t N> inline errno_t strcpy_s(char (&to)[N], const char *from) { return strcpy_s(to, N, from); }
template <size_t N> inline errno_t strcat_s(char (&to)[N], const char *from) { return strcat_s(to, N, from); }
template <size_t N> inline errno_t strncpy_s(char (&to)[N], const char *from, size_t count) { return strncpy_s(to, N, from, count); }
template <size_t N> inline errno_t strncat_s(char (&to)[N], const char *from, size_t count) { return strncat_s(to, N, from, count); }
template <size_t N> inline errno_t wcscpy_s(wchar_t (&to)[N], const wchar_t *from) { return wcscpy_s(to, N, from); }
template <size_t N> inline errno_t wcscat_s(wchar_t (&to)[N], const wchar_t *from) { return wcscat_s(to, N, from); }
template <size_t N> inline errno_t wcsncpy_s(wchar_t (&to)[N], const wchar_t *from, size_t count) { return wcsncpy_s(to, N, from, count); }
template <size_t N> inline errno_t _itoa_s(int value, char (&to)[N], int radix) { return _itoa_s(value, to, N, radix); }
template <size_t N> inline errno_t _itow_s(int value, wchar_t (&to)[N], int radix) { return _itow_s(value, to, N, radix); }
template <size_t N> inline errno_t ctime_s(char (&to)[N], const time_t *time) { return ctime_s(to, N, time); }
template <size_t N> inline errno_t asctime_s(char (&to)[N], const struct tm *time) { return asctime_s(to, N, time); }
template <size_t N> inline errno_t _strdate_s(char (&to)[N]) { return _strdate_s(to, N); }
template <size_t N> inline errno_t _strtime_s(char (&to)[N]) { return _strtime_s(to, N); }
template <size_t N> inline errno_t strerror_s(char (&to)[N], int error) { return strerror_s(to, N, error); }
template <size_t N> inline char *gets_s(char (&to)[N]) { return gets_s(to, N); }
template <size_t N> inline int vsprintf_s(char (&to)[N], const char *format, va_list arguments) { return vsprintf_s(to, N, format, arguments); }
template <size_t N> inline int vswprintf_s(wchar_t (&to)[N], const wchar_t *format, va_list arguments) { return vswprintf_s(to, N, format, arguments); }
template <size_t N> inline int _vsnprintf_s(char (&to)[N], size_t count, const char *format, va_list arguments) { return _vsnprintf_s(to, N, count, format, arguments); }
template <size_t N> inline int _vsnwprintf_s(wchar_t (&to)[N], size_t count, const wchar_t *format, va_list arguments) { return _vsnwprintf_s(to, N, count, format, arguments); }
template <size_t D, size_t F, size_t N, size_t E>
inline errno_t _splitpath_s(const char *path, char (&drive)[D], char (&folder)[F], char (&name)[N], char (&extension)[E]) {
    return _splitpath_s(path, drive, D, folder, F, name, N, extension, E);
}

#define WSK_FORWARD_FORMAT(call)       \
    va_list arguments;                 \
    va_start(arguments, format);       \
    int length = call;                 \
    va_end(arguments);                 \
    return length;
template <size_t N> inline int sprintf_s(char (&to)[N], const char *format, ...) { WSK_FORWARD_FORMAT(vsprintf_s(to, N, format, arguments)) }
template <size_t N> inline int swprintf_s(wchar_t (&to)[N], const wchar_t *format, ...) { WSK_FORWARD_FORMAT(vswprintf_s(to, N, format, arguments)) }
template <size_t N> inline int _snprintf_s(char (&to)[N], size_t count, const char *format, ...) { WSK_FORWARD_FORMAT(_vsnprintf_s(to, N, count, format, arguments)) }
template <size_t N> inline int _snwprintf_s(wchar_t (&to)[N], size_t count, const wchar_t *format, ...) { WSK_FORWARD_FORMAT(_vsnwprintf_s(to, N, count, format, arguments)) }
/* The old swprintf without a size. */
inline int swprintf(wchar_t *to, const wchar_t *format, ...) { WSK_FORWARD_FORMAT(_vsnwprintf(to, (size_t)1 << 20, format, arguments)) }
inline int vswprintf(wchar_t *to, const wchar_t *format, va_list arguments) { return _vsnwprintf(to, (size_t)1 << 20, format, arguments); }
#undef WSK_FORWARD_FORMAT
}
#endif
