/* Paths. */
#ifndef WSK_SHLWAPI_H
#define WSK_SHLWAPI_H
#include "windows.h"
WSK_BEGIN
BOOL WINAPI PathFileExistsA(LPCSTR path) WSK(PathFileExistsA);
BOOL WINAPI PathFileExistsW(LPCWSTR path) WSK(PathFileExistsW);
BOOL WINAPI PathIsDirectoryA(LPCSTR path) WSK(PathIsDirectoryA);
BOOL WINAPI PathIsDirectoryW(LPCWSTR path) WSK(PathIsDirectoryW);
LPSTR WINAPI PathFindExtensionA(LPCSTR path) WSK(PathFindExtensionA);
LPWSTR WINAPI PathFindExtensionW(LPCWSTR path) WSK(PathFindExtensionW);
LPSTR WINAPI PathFindFileNameA(LPCSTR path) WSK(PathFindFileNameA);
LPWSTR WINAPI PathFindFileNameW(LPCWSTR path) WSK(PathFindFileNameW);
BOOL WINAPI PathRemoveFileSpecA(LPSTR path) WSK(PathRemoveFileSpecA);
BOOL WINAPI PathRemoveFileSpecW(LPWSTR path) WSK(PathRemoveFileSpecW);
WSK_END

#ifdef UNICODE
#define PathFileExists PathFileExistsW
#define PathIsDirectory PathIsDirectoryW
#define PathFindExtension PathFindExtensionW
#define PathFindFileName PathFindFileNameW
#define PathRemoveFileSpec PathRemoveFileSpecW
#else
#define PathFileExists PathFileExistsA
#define PathIsDirectory PathIsDirectoryA
#define PathFindExtension PathFindExtensionA
#define PathFindFileName PathFindFileNameA
#define PathRemoveFileSpec PathRemoveFileSpecA
#endif
#endif
