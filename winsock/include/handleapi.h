/* Handles. */
#ifndef WSK_HANDLEAPI_H
#define WSK_HANDLEAPI_H
#include "minwinbase.h"
#define HANDLE_FLAG_INHERIT 0x1
#define HANDLE_FLAG_PROTECT_FROM_CLOSE 0x2
#define DUPLICATE_CLOSE_SOURCE 0x1
#define DUPLICATE_SAME_ACCESS 0x2
WSK_BEGIN
BOOL WINAPI CloseHandle(HANDLE handle) WSK(CloseHandle);
BOOL WINAPI DuplicateHandle(HANDLE source_process, HANDLE source, HANDLE target_process, LPHANDLE target, DWORD access, BOOL inherit, DWORD options) WSK(DuplicateHandle);
BOOL WINAPI CompareObjectHandles(HANDLE first, HANDLE second) WSK(CompareObjectHandles);
BOOL WINAPI GetHandleInformation(HANDLE handle, LPDWORD flags) WSK(GetHandleInformation);
BOOL WINAPI SetHandleInformation(HANDLE handle, DWORD mask, DWORD flags) WSK(SetHandleInformation);
WSK_END
#endif
