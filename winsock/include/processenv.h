/* Environment, current directory, standard handles, command line. */
#ifndef WSK_PROCESSENV_H
#define WSK_PROCESSENV_H
#include "minwinbase.h"
#define STD_INPUT_HANDLE ((DWORD)-10)
#define STD_OUTPUT_HANDLE ((DWORD)-11)
#define STD_ERROR_HANDLE ((DWORD)-12)
WSK_BEGIN
HANDLE WINAPI GetStdHandle(DWORD which) WSK(GetStdHandle);
BOOL WINAPI SetStdHandle(DWORD which, HANDLE handle) WSK(SetStdHandle);
LPSTR WINAPI GetCommandLineA(VOID) WSK(GetCommandLineA);
LPWSTR WINAPI GetCommandLineW(VOID) WSK(GetCommandLineW);
DWORD WINAPI GetCurrentDirectoryA(DWORD size, LPSTR buffer) WSK(GetCurrentDirectoryA);
DWORD WINAPI GetCurrentDirectoryW(DWORD size, LPWSTR buffer) WSK(GetCurrentDirectoryW);
BOOL WINAPI SetCurrentDirectoryA(LPCSTR name) WSK(SetCurrentDirectoryA);
BOOL WINAPI SetCurrentDirectoryW(LPCWSTR name) WSK(SetCurrentDirectoryW);
DWORD WINAPI GetEnvironmentVariableA(LPCSTR name, LPSTR buffer, DWORD size) WSK(GetEnvironmentVariableA);
DWORD WINAPI GetEnvironmentVariableW(LPCWSTR name, LPWSTR buffer, DWORD size) WSK(GetEnvironmentVariableW);
BOOL WINAPI SetEnvironmentVariableA(LPCSTR name, LPCSTR value) WSK(SetEnvironmentVariableA);
BOOL WINAPI SetEnvironmentVariableW(LPCWSTR name, LPCWSTR value) WSK(SetEnvironmentVariableW);
WSK_END

#ifdef UNICODE
#define GetCommandLine GetCommandLineW
#define GetCurrentDirectory GetCurrentDirectoryW
#define SetCurrentDirectory SetCurrentDirectoryW
#define GetEnvironmentVariable GetEnvironmentVariableW
#define SetEnvironmentVariable SetEnvironmentVariableW
#else
#define GetCommandLine GetCommandLineA
#define GetCurrentDirectory GetCurrentDirectoryA
#define SetCurrentDirectory SetCurrentDirectoryA
#define GetEnvironmentVariable GetEnvironmentVariableA
#define SetEnvironmentVariable SetEnvironmentVariableA
#endif
#endif
