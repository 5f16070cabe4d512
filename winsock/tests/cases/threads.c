/* Threads: exit codes, suspended starts, the calls of the C library, ids. (trap 27) */
#include "check.h"
#include <process.h>

static volatile LONG ran;

static DWORD WINAPI add(LPVOID parameter) {
    InterlockedIncrement(&ran);
    return (DWORD)(ULONG_PTR)parameter + 1;
}
static DWORD WINAPI leave(LPVOID parameter) {
    (void)parameter;
    ExitThread(33);
    return 1;
}
static DWORD WINAPI forever(LPVOID parameter) {
    SetEvent((HANDLE)parameter);
    Sleep(INFINITE);
    return 0;
}
static DWORD WINAPI own_id(LPVOID parameter) {
    *(DWORD *)parameter = GetCurrentThreadId();
    return 0;
}
static unsigned __stdcall start_ex(void *parameter) { return *(unsigned *)parameter + 100; }
static unsigned __stdcall end_ex(void *parameter) {
    (void)parameter;
    _endthreadex(44);
    return 0;
}
static void __cdecl start_plain(void *parameter) { SetEvent((HANDLE)parameter); }

static void show_code(const char *what, HANDLE thread) {
    DWORD code = 0;
    TRUTH("GetExitCodeThread", GetExitCodeThread(thread, &code));
    printf("%s: %d\n", what, (int)code);
}

int main(void) {
    HANDLE thread, event;
    DWORD id = 0, mine = 0;
    unsigned number = 5, id_ex = 0;
    begin();
    event = CreateEventA(NULL, FALSE, FALSE, NULL);
    thread = CreateThread(NULL, 0, add, (LPVOID)41, 0, &id);
    yes("CreateThread", thread != NULL && id != 0);
    show_wait("its end", WaitForSingleObject(thread, LONG_WAIT));
    show_code("exit code", thread);
    yes("GetThreadId", GetThreadId(thread) == id);
    TRUTH("CloseHandle", CloseHandle(thread));
    TRUTH("CloseHandle twice", CloseHandle(thread));
    thread = CreateThread(NULL, 0, leave, NULL, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    show_code("exit code by ExitThread", thread);
    CloseHandle(thread);
    thread = CreateThread(NULL, 0, forever, event, 0, NULL);
    WaitForSingleObject(event, LONG_WAIT);
    show_code("exit code while it runs", thread);
    show_wait("a wait", WaitForSingleObject(thread, SHORT_WAIT));
    TRUTH("CloseHandle while it runs", CloseHandle(thread));
    ran = 0;
    thread = CreateThread(NULL, 0, add, NULL, CREATE_SUSPENDED, NULL);
    Sleep(SHORT_WAIT);
    show("a suspended thread has not run", ran);
    show("ResumeThread", (int)ResumeThread(thread));
    show_wait("its end", WaitForSingleObject(thread, LONG_WAIT));
    show("it ran", ran);
    CloseHandle(thread);
    thread = (HANDLE)_beginthreadex(NULL, 0, start_ex, &number, 0, &id_ex);
    yes("_beginthreadex", thread != NULL && id_ex != 0);
    show_wait("its end", WaitForSingleObject(thread, LONG_WAIT));
    show_code("exit code", thread);
    CloseHandle(thread);
    thread = (HANDLE)_beginthreadex(NULL, 0, end_ex, NULL, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    show_code("exit code by _endthreadex", thread);
    CloseHandle(thread);
    yes("_beginthread", _beginthread(start_plain, 0, event) != (uintptr_t)-1);
    show_wait("it runs", WaitForSingleObject(event, LONG_WAIT));
    thread = CreateThread(NULL, 0, own_id, &mine, 0, &id);
    WaitForSingleObject(thread, LONG_WAIT);
    yes("GetCurrentThreadId in a thread", mine == id);
    yes("another than here", mine != GetCurrentThreadId());
    TRUTH("SetThreadPriority", SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_NORMAL));
    show("GetThreadPriority", GetThreadPriority(GetCurrentThread()));
    TRUTH("SwitchToThread or not", (SwitchToThread(), 1));
    CloseHandle(thread);
    TRUTH("DuplicateHandle of this thread", DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(),
        &thread, 0, FALSE, DUPLICATE_SAME_ACCESS));
    show_wait("it runs", WaitForSingleObject(thread, 0));
    yes("its id", GetThreadId(thread) == GetCurrentThreadId());
    CloseHandle(thread);
    TRUTH("GetExitCodeThread of an event", GetExitCodeThread(event, &id));
    CloseHandle(event);
    return 0;
}
