/* Threads, thread-local slots, processes. */
#ifndef WSK_PROCESSTHREADSAPI_H
#define WSK_PROCESSTHREADSAPI_H
#include "minwinbase.h"

#define CREATE_SUSPENDED 0x00000004
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x00010000
#define DEBUG_PROCESS 0x00000001
#define DETACHED_PROCESS 0x00000008
#define CREATE_NEW_CONSOLE 0x00000010
#define CREATE_NEW_PROCESS_GROUP 0x00000200
#define CREATE_UNICODE_ENVIRONMENT 0x00000400
#define CREATE_NO_WINDOW 0x08000000
#define NORMAL_PRIORITY_CLASS 0x00000020
#define IDLE_PRIORITY_CLASS 0x00000040
#define HIGH_PRIORITY_CLASS 0x00000080
#define REALTIME_PRIORITY_CLASS 0x00000100
#define BELOW_NORMAL_PRIORITY_CLASS 0x00004000
#define ABOVE_NORMAL_PRIORITY_CLASS 0x00008000
#define THREAD_PRIORITY_LOWEST (-2)
#define THREAD_PRIORITY_BELOW_NORMAL (-1)
#define THREAD_PRIORITY_NORMAL 0
#define THREAD_PRIORITY_ABOVE_NORMAL 1
#define THREAD_PRIORITY_HIGHEST 2
#define THREAD_PRIORITY_TIME_CRITICAL 15
#define THREAD_PRIORITY_IDLE (-15)
#define THREAD_PRIORITY_ERROR_RETURN (MAXLONG)
#define FLS_OUT_OF_INDEXES ((DWORD)0xFFFFFFFFU)

typedef struct _PROCESS_INFORMATION {
    HANDLE hProcess;
    HANDLE hThread;
    DWORD dwProcessId;
    DWORD dwThreadId;
} PROCESS_INFORMATION, *PPROCESS_INFORMATION, *LPPROCESS_INFORMATION;

typedef struct _STARTUPINFOA {
    DWORD cb;
    LPSTR lpReserved, lpDesktop, lpTitle;
    DWORD dwX, dwY, dwXSize, dwYSize, dwXCountChars, dwYCountChars, dwFillAttribute, dwFlags;
    WORD wShowWindow, cbReserved2;
    LPBYTE lpReserved2;
    HANDLE hStdInput, hStdOutput, hStdError;
} STARTUPINFOA, *LPSTARTUPINFOA;
typedef struct _STARTUPINFOW {
    DWORD cb;
    LPWSTR lpReserved, lpDesktop, lpTitle;
    DWORD dwX, dwY, dwXSize, dwYSize, dwXCountChars, dwYCountChars, dwFillAttribute, dwFlags;
    WORD wShowWindow, cbReserved2;
    LPBYTE lpReserved2;
    HANDLE hStdInput, hStdOutput, hStdError;
} STARTUPINFOW, *LPSTARTUPINFOW;
#define STARTF_USESHOWWINDOW 0x1
#define STARTF_USESTDHANDLES 0x100

typedef VOID (WINAPI *PFLS_CALLBACK_FUNCTION)(PVOID data);

WSK_BEGIN
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags, LPDWORD id) WSK(CreateThread);
VOID WINAPI ExitThread(DWORD code) WSK(ExitThread) DECLSPEC_NORETURN;
BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code) WSK(GetExitCodeThread);
HANDLE WINAPI GetCurrentThread(VOID) WSK(GetCurrentThread);
DWORD WINAPI GetCurrentThreadId(VOID) WSK(GetCurrentThreadId);
DWORD WINAPI GetThreadId(HANDLE thread) WSK(GetThreadId);
HANDLE WINAPI OpenThread(DWORD access, BOOL inherit, DWORD id) WSK(OpenThread);
DWORD WINAPI SuspendThread(HANDLE thread) WSK(SuspendThread);
DWORD WINAPI ResumeThread(HANDLE thread) WSK(ResumeThread);
BOOL WINAPI TerminateThread(HANDLE thread, DWORD code) WSK(TerminateThread);
BOOL WINAPI SwitchToThread(VOID) WSK(SwitchToThread);
BOOL WINAPI SetThreadPriorityBoost(HANDLE thread, BOOL disabled) WSK(SetThreadPriorityBoost);
BOOL WINAPI SetThreadPriority(HANDLE thread, int priority) WSK(SetThreadPriority);
int WINAPI GetThreadPriority(HANDLE thread) WSK(GetThreadPriority);
DWORD_PTR WINAPI SetThreadAffinityMask(HANDLE thread, DWORD_PTR mask) WSK(SetThreadAffinityMask);
DWORD WINAPI SetThreadIdealProcessor(HANDLE thread, DWORD processor) WSK(SetThreadIdealProcessor);
HRESULT WINAPI SetThreadDescription(HANDLE thread, PCWSTR description) WSK(SetThreadDescription);
BOOL WINAPI GetThreadContext(HANDLE thread, LPCONTEXT context) WSK(GetThreadContext);
BOOL WINAPI SetThreadContext(HANDLE thread, const CONTEXT *context) WSK(SetThreadContext);
BOOL WINAPI GetThreadTimes(HANDLE thread, PFILETIME creation, PFILETIME exit, PFILETIME kernel, PFILETIME user) WSK(GetThreadTimes);
DWORD WINAPI QueueUserAPC(PAPCFUNC function, HANDLE thread, ULONG_PTR data) WSK(QueueUserAPC);

DWORD WINAPI TlsAlloc(VOID) WSK(TlsAlloc);
LPVOID WINAPI TlsGetValue(DWORD index) WSK(TlsGetValue);
BOOL WINAPI TlsSetValue(DWORD index, LPVOID value) WSK(TlsSetValue);
BOOL WINAPI TlsFree(DWORD index) WSK(TlsFree);
DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION callback) WSK(FlsAlloc);
PVOID WINAPI FlsGetValue(DWORD index) WSK(FlsGetValue);
BOOL WINAPI FlsSetValue(DWORD index, PVOID value) WSK(FlsSetValue);
BOOL WINAPI FlsFree(DWORD index) WSK(FlsFree);

HANDLE WINAPI GetCurrentProcess(VOID) WSK(GetCurrentProcess);
DWORD WINAPI GetCurrentProcessId(VOID) WSK(GetCurrentProcessId);
DWORD WINAPI GetProcessId(HANDLE process) WSK(GetProcessId);
VOID WINAPI ExitProcess(UINT code) WSK(ExitProcess) DECLSPEC_NORETURN;
BOOL WINAPI TerminateProcess(HANDLE process, UINT code) WSK(TerminateProcess);
BOOL WINAPI GetExitCodeProcess(HANDLE process, LPDWORD code) WSK(GetExitCodeProcess);
HANDLE WINAPI OpenProcess(DWORD access, BOOL inherit, DWORD id) WSK(OpenProcess);
BOOL WINAPI GetProcessTimes(HANDLE process, LPFILETIME creation, LPFILETIME exit, LPFILETIME kernel, LPFILETIME user) WSK(GetProcessTimes);
BOOL WINAPI SetPriorityClass(HANDLE process, DWORD priority) WSK(SetPriorityClass);
DWORD WINAPI GetPriorityClass(HANDLE process) WSK(GetPriorityClass);
BOOL WINAPI SetProcessAffinityMask(HANDLE process, DWORD_PTR mask) WSK(SetProcessAffinityMask);
BOOL WINAPI GetProcessAffinityMask(HANDLE process, PDWORD_PTR mask, PDWORD_PTR system) WSK(GetProcessAffinityMask);
BOOL WINAPI GetProcessHandleCount(HANDLE process, PDWORD count) WSK(GetProcessHandleCount);
DWORD WINAPI GetCurrentProcessorNumber(VOID) WSK(GetCurrentProcessorNumber);
BOOL WINAPI CreateProcessA(LPCSTR program, LPSTR command, LPSECURITY_ATTRIBUTES process, LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags, LPVOID environment, LPCSTR directory, LPSTARTUPINFOA startup, LPPROCESS_INFORMATION information) WSK(CreateProcessA);
BOOL WINAPI CreateProcessW(LPCWSTR program, LPWSTR command, LPSECURITY_ATTRIBUTES process, LPSECURITY_ATTRIBUTES thread, BOOL inherit, DWORD flags, LPVOID environment, LPCWSTR directory, LPSTARTUPINFOW startup, LPPROCESS_INFORMATION information) WSK(CreateProcessW);
VOID WINAPI GetStartupInfoA(LPSTARTUPINFOA startup) WSK(GetStartupInfoA);
VOID WINAPI GetStartupInfoW(LPSTARTUPINFOW startup) WSK(GetStartupInfoW);
WSK_END

#ifdef UNICODE
typedef STARTUPINFOW STARTUPINFO;
typedef LPSTARTUPINFOW LPSTARTUPINFO;
#define CreateProcess CreateProcessW
#define GetStartupInfo GetStartupInfoW
#else
typedef STARTUPINFOA STARTUPINFO;
typedef LPSTARTUPINFOA LPSTARTUPINFO;
#define CreateProcess CreateProcessA
#define GetStartupInfo GetStartupInfoA
#endif

#ifdef __cplusplus
/* MSVC's `unsigned long` has 32 bits; an identifier or exit code received in one is widened here. */
extern "C++" {
template <class Id>
inline typename wsk_if_unsigned_long<Id, HANDLE>::type CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags, Id *id) {
    *id = 0;
    return CreateThread(security, stack, start, parameter, flags, (LPDWORD)id);
}
template <class Code>
inline typename wsk_if_unsigned_long<Code, BOOL>::type GetExitCodeThread(HANDLE thread, Code *code) {
    *code = 0;
    return GetExitCodeThread(thread, (LPDWORD)code);
}
}
#endif
#endif
