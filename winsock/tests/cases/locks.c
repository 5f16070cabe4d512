/* Critical sections, slim locks, condition variables, one-time initialisation, WaitOnAddress. (trap 27) */
#include "check.h"

static CRITICAL_SECTION section;
static SRWLOCK slim = SRWLOCK_INIT;
static CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static volatile LONG stage, total, initialised;

static DWORD WINAPI try_section(LPVOID nothing) {
    (void)nothing;
    return (DWORD)TryEnterCriticalSection(&section);
}
static DWORD WINAPI try_shared(LPVOID nothing) {
    BOOLEAN got = TryAcquireSRWLockShared(&slim);
    (void)nothing;
    if (got) ReleaseSRWLockShared(&slim);
    return got;
}
static DWORD WINAPI try_exclusive(LPVOID nothing) {
    BOOLEAN got = TryAcquireSRWLockExclusive(&slim);
    (void)nothing;
    if (got) ReleaseSRWLockExclusive(&slim);
    return got;
}
static BOOL CALLBACK initialise(PINIT_ONCE it, PVOID parameter, PVOID *context) {
    (void)it; (void)context;
    InterlockedExchangeAdd(&initialised, *(LONG *)parameter);
    return TRUE;
}
static DWORD WINAPI count_up(LPVOID nothing) {
    LONG step = 1;
    int i;
    (void)nothing;
    InitOnceExecuteOnce(&once, initialise, &step, NULL);
    for (i = 0; i < 10000; i++) {
        EnterCriticalSection(&section);
        total++;
        LeaveCriticalSection(&section);
    }
    return 0;
}
static DWORD WINAPI wait_for_stage(LPVOID nothing) {
    BOOL slept = TRUE;
    (void)nothing;
    EnterCriticalSection(&section);
    while (stage < 1 && slept) slept = SleepConditionVariableCS(&changed, &section, LONG_WAIT);
    LeaveCriticalSection(&section);
    AcquireSRWLockShared(&slim);
    while (stage < 2 && slept)
        slept = SleepConditionVariableSRW(&changed, &slim, LONG_WAIT, CONDITION_VARIABLE_LOCKMODE_SHARED);
    ReleaseSRWLockShared(&slim);
    return (DWORD)slept;
}
static DWORD WINAPI wake_address(LPVOID nothing) {
    (void)nothing;
    Sleep(SHORT_WAIT);
    InterlockedExchange(&stage, 9);
    WakeByAddressSingle((PVOID)&stage);
    return 0;
}

static int in_a_thread(LPTHREAD_START_ROUTINE start) {
    DWORD code = 77;
    HANDLE thread = CreateThread(NULL, 0, start, NULL, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return (int)code;
}

int main(void) {
    HANDLE threads[4];
    DWORD code = 0;
    LONG expected = 2;
    int i;
    begin();
    InitializeCriticalSection(&section);
    show("TryEnterCriticalSection", TryEnterCriticalSection(&section));
    EnterCriticalSection(&section);
    show("held twice: another thread", in_a_thread(try_section));
    LeaveCriticalSection(&section);
    show("held once: another thread", in_a_thread(try_section));
    LeaveCriticalSection(&section);
    for (i = 0; i < 4; i++) threads[i] = CreateThread(NULL, 0, count_up, NULL, 0, NULL);
    WaitForMultipleObjects(4, threads, TRUE, 4 * LONG_WAIT);
    show("four threads count", total);
    show("initialised once", initialised);
    for (i = 0; i < 4; i++) CloseHandle(threads[i]);
    AcquireSRWLockShared(&slim);
    show("shared: another shared", in_a_thread(try_shared));
    show("shared: another exclusive", in_a_thread(try_exclusive));
    ReleaseSRWLockShared(&slim);
    AcquireSRWLockExclusive(&slim);
    show("exclusive: another shared", in_a_thread(try_shared));
    show("exclusive: another exclusive", in_a_thread(try_exclusive));
    show("exclusive: the same thread again", TryAcquireSRWLockExclusive(&slim));
    ReleaseSRWLockExclusive(&slim);
    show("free: another exclusive", in_a_thread(try_exclusive));
    threads[0] = CreateThread(NULL, 0, wait_for_stage, NULL, 0, NULL);
    Sleep(SHORT_WAIT);
    EnterCriticalSection(&section);
    stage = 1;
    LeaveCriticalSection(&section);
    WakeConditionVariable(&changed);
    Sleep(SHORT_WAIT);
    AcquireSRWLockExclusive(&slim);
    stage = 2;
    ReleaseSRWLockExclusive(&slim);
    WakeAllConditionVariable(&changed);
    show_wait("both stages", WaitForSingleObject(threads[0], LONG_WAIT));
    GetExitCodeThread(threads[0], &code);
    show("woken, not timed out", (int)code);
    CloseHandle(threads[0]);
    EnterCriticalSection(&section);
    TRUTH("SleepConditionVariableCS times out", SleepConditionVariableCS(&changed, &section, SHORT_WAIT));
    show("it holds the section again: another thread", in_a_thread(try_section));
    LeaveCriticalSection(&section);
    DeleteCriticalSection(&section);
    TRUTH("WaitOnAddress that times out", WaitOnAddress(&stage, &expected, sizeof expected, SHORT_WAIT));
    threads[0] = CreateThread(NULL, 0, wake_address, NULL, 0, NULL);
    TRUTH("WaitOnAddress", WaitOnAddress(&stage, &expected, sizeof expected, LONG_WAIT));
    show("value", stage);
    TRUTH("WaitOnAddress of another value", WaitOnAddress(&stage, &expected, sizeof expected, LONG_WAIT));
    WaitForSingleObject(threads[0], LONG_WAIT);
    CloseHandle(threads[0]);
    show("InitializeCriticalSectionAndSpinCount", InitializeCriticalSectionAndSpinCount(&section, 4000));
    DeleteCriticalSection(&section);
    return 0;
}
