/* The last error, exception filters. */
#ifndef WSK_ERRHANDLINGAPI_H
#define WSK_ERRHANDLINGAPI_H
#include "minwinbase.h"
typedef LONG (WINAPI *PTOP_LEVEL_EXCEPTION_FILTER)(PEXCEPTION_POINTERS pointers);
typedef PTOP_LEVEL_EXCEPTION_FILTER LPTOP_LEVEL_EXCEPTION_FILTER;
#define SEM_FAILCRITICALERRORS 0x0001
#define SEM_NOGPFAULTERRORBOX 0x0002
#define SEM_NOOPENFILEERRORBOX 0x8000
WSK_BEGIN
DWORD WINAPI GetLastError(VOID) WSK(GetLastError);
VOID WINAPI SetLastError(DWORD error) WSK(SetLastError);
LPTOP_LEVEL_EXCEPTION_FILTER WINAPI SetUnhandledExceptionFilter(LPTOP_LEVEL_EXCEPTION_FILTER filter) WSK(SetUnhandledExceptionFilter);
LONG WINAPI UnhandledExceptionFilter(PEXCEPTION_POINTERS pointers) WSK(UnhandledExceptionFilter);
UINT WINAPI SetErrorMode(UINT mode) WSK(SetErrorMode);
UINT WINAPI GetErrorMode(VOID) WSK(GetErrorMode);
VOID WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *arguments) WSK(RaiseException);
WSK_END
#endif
