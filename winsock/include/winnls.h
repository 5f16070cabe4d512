/* Code pages and strings. */
#ifndef WSK_WINNLS_H
#define WSK_WINNLS_H
#include "minwinbase.h"
#define CP_ACP 0
#define CP_OEMCP 1
#define CP_MACCP 2
#define CP_THREAD_ACP 3
#define CP_UTF7 65000
#define CP_UTF8 65001
#define MB_PRECOMPOSED 0x1
#define MB_COMPOSITE 0x2
#define MB_ERR_INVALID_CHARS 0x8
#define WC_COMPOSITECHECK 0x200
#define WC_DEFAULTCHAR 0x40
#define WC_ERR_INVALID_CHARS 0x80
#define WC_NO_BEST_FIT_CHARS 0x400
#define NORM_IGNORECASE 0x1
#define CSTR_LESS_THAN 1
#define CSTR_EQUAL 2
#define CSTR_GREATER_THAN 3
#define LOCALE_NAME_USER_DEFAULT NULL
#define LOCALE_NAME_MAX_LENGTH 85
WSK_BEGIN
int WINAPI MultiByteToWideChar(UINT code_page, DWORD flags, LPCCH text, int length, LPWSTR wide, int size) WSK(MultiByteToWideChar);
int WINAPI WideCharToMultiByte(UINT code_page, DWORD flags, LPCWCH wide, int length, LPSTR text, int size, LPCCH default_char, LPBOOL used_default) WSK(WideCharToMultiByte);
UINT WINAPI GetACP(VOID) WSK(GetACP);
UINT WINAPI GetOEMCP(VOID) WSK(GetOEMCP);
BOOL WINAPI IsValidCodePage(UINT code_page) WSK(IsValidCodePage);
LCID WINAPI GetSystemDefaultLCID(VOID) WSK(GetSystemDefaultLCID);
LCID WINAPI GetUserDefaultLCID(VOID) WSK(GetUserDefaultLCID);
LANGID WINAPI GetUserDefaultLangID(VOID) WSK(GetUserDefaultLangID);
LANGID WINAPI GetSystemDefaultLangID(VOID) WSK(GetSystemDefaultLangID);
int WINAPI CompareStringA(LCID locale, DWORD flags, PCSTR a, int a_length, PCSTR b, int b_length) WSK(CompareStringA);
int WINAPI CompareStringW(LCID locale, DWORD flags, PCWSTR a, int a_length, PCWSTR b, int b_length) WSK(CompareStringW);
int WINAPI lstrlenA(LPCSTR text) WSK(lstrlenA);
int WINAPI lstrlenW(LPCWSTR text) WSK(lstrlenW);
LPSTR WINAPI lstrcpyA(LPSTR to, LPCSTR from) WSK(lstrcpyA);
LPWSTR WINAPI lstrcpyW(LPWSTR to, LPCWSTR from) WSK(lstrcpyW);
LPSTR WINAPI lstrcpynA(LPSTR to, LPCSTR from, int size) WSK(lstrcpynA);
LPWSTR WINAPI lstrcpynW(LPWSTR to, LPCWSTR from, int size) WSK(lstrcpynW);
LPSTR WINAPI lstrcatA(LPSTR to, LPCSTR from) WSK(lstrcatA);
LPWSTR WINAPI lstrcatW(LPWSTR to, LPCWSTR from) WSK(lstrcatW);
int WINAPI lstrcmpA(LPCSTR a, LPCSTR b) WSK(lstrcmpA);
int WINAPI lstrcmpW(LPCWSTR a, LPCWSTR b) WSK(lstrcmpW);
int WINAPI lstrcmpiA(LPCSTR a, LPCSTR b) WSK(lstrcmpiA);
int WINAPI lstrcmpiW(LPCWSTR a, LPCWSTR b) WSK(lstrcmpiW);
WSK_END

#ifdef UNICODE
#define CompareString CompareStringW
#define lstrlen lstrlenW
#define lstrcpy lstrcpyW
#define lstrcpyn lstrcpynW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#define lstrcmpi lstrcmpiW
#else
#define CompareString CompareStringA
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#endif
#endif
