/* Modules. LoadLibrary knows the names of the Windows libraries whose calls are here. */
#ifndef WSK_LIBLOADERAPI_H
#define WSK_LIBLOADERAPI_H
#include "minwinbase.h"
#define LOAD_LIBRARY_AS_DATAFILE 0x2
#define LOAD_WITH_ALTERED_SEARCH_PATH 0x8
#define LOAD_LIBRARY_SEARCH_SYSTEM32 0x800
#define GET_MODULE_HANDLE_EX_FLAG_PIN 1
#define GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT 2
#define GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS 4
WSK_BEGIN
HMODULE WINAPI LoadLibraryA(LPCSTR name) WSK(LoadLibraryA);
HMODULE WINAPI LoadLibraryW(LPCWSTR name) WSK(LoadLibraryW);
HMODULE WINAPI LoadLibraryExA(LPCSTR name, HANDLE file, DWORD flags) WSK(LoadLibraryExA);
HMODULE WINAPI LoadLibraryExW(LPCWSTR name, HANDLE file, DWORD flags) WSK(LoadLibraryExW);
BOOL WINAPI FreeLibrary(HMODULE module) WSK(FreeLibrary);
FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name) WSK(GetProcAddress);
HMODULE WINAPI GetModuleHandleA(LPCSTR name) WSK(GetModuleHandleA);
HMODULE WINAPI GetModuleHandleW(LPCWSTR name) WSK(GetModuleHandleW);
DWORD WINAPI GetModuleFileNameA(HMODULE module, LPSTR name, DWORD size) WSK(GetModuleFileNameA);
DWORD WINAPI GetModuleFileNameW(HMODULE module, LPWSTR name, DWORD size) WSK(GetModuleFileNameW);
WSK_END

#ifdef UNICODE
#define LoadLibrary LoadLibraryW
#define LoadLibraryEx LoadLibraryExW
#define GetModuleHandle GetModuleHandleW
#define GetModuleFileName GetModuleFileNameW
#else
#define LoadLibrary LoadLibraryA
#define LoadLibraryEx LoadLibraryExA
#define GetModuleHandle GetModuleHandleA
#define GetModuleFileName GetModuleFileNameA
#endif
#endif
