/* Talking to a debugger. */
#ifndef WSK_DEBUGAPI_H
#define WSK_DEBUGAPI_H
#include "minwinbase.h"
WSK_BEGIN
BOOL WINAPI IsDebuggerPresent(VOID) WSK(IsDebuggerPresent);
VOID WINAPI DebugBreak(VOID) WSK(DebugBreak);
VOID WINAPI OutputDebugStringA(LPCSTR text) WSK(OutputDebugStringA);
VOID WINAPI OutputDebugStringW(LPCWSTR text) WSK(OutputDebugStringW);
WSK_END

#ifdef UNICODE
#define OutputDebugString OutputDebugStringW
#else
#define OutputDebugString OutputDebugStringA
#endif
#endif
