/* Calls of newer systems, which MinGW's libraries lack. */
#include "../cases/check.h"

static HANDLE done;

static VOID CALLBACK on_timer(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer) {
    (void)context;
    (void)timer;
    DisassociateCurrentThreadFromCallback(instance);
    SetEvent(done);
}

static VOID CALLBACK on_wait(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result) {
    (void)instance;
    (void)context;
    (void)wait;
    show_wait("the wait's result", result);
    SetEvent(done);
}

int main(void) {
    HANDLE event, same;
    PTP_TIMER timer;
    PTP_WAIT wait;
    FILETIME due;
    LARGE_INTEGER ticks;
    begin();
    done = CreateEventW(NULL, FALSE, FALSE, NULL);
    event = CreateEventW(NULL, TRUE, FALSE, NULL);
    DuplicateHandle(GetCurrentProcess(), event, GetCurrentProcess(), &same, 0, FALSE, DUPLICATE_SAME_ACCESS);
    TRUTH("CompareObjectHandles of one object", CompareObjectHandles(event, same));
    yes("of two", CompareObjectHandles(event, done));
    CloseHandle(same);
    TRUTH("of a closed one", CompareObjectHandles(event, same));

    ticks.QuadPart = -10000000000;
    due.dwLowDateTime = ticks.LowPart;
    due.dwHighDateTime = (DWORD)ticks.HighPart;
    timer = CreateThreadpoolTimer(on_timer, NULL, NULL);
    yes("SetThreadpoolTimerEx, first", SetThreadpoolTimerEx(timer, &due, 0, 0));
    memset(&due, 0, sizeof due);
    yes("and again: it was set", SetThreadpoolTimerEx(timer, &due, 0, 0));
    show_wait("its callback", WaitForSingleObject(done, LONG_WAIT));
    CloseThreadpoolTimer(timer);

    wait = CreateThreadpoolWait(on_wait, NULL, NULL);
    yes("SetThreadpoolWaitEx, first", SetThreadpoolWaitEx(wait, event, NULL, NULL));
    yes("and again: it was set", SetThreadpoolWaitEx(wait, event, NULL, NULL));
    SetEvent(event);
    show_wait("its callback", WaitForSingleObject(done, LONG_WAIT));
    WaitForThreadpoolWaitCallbacks(wait, FALSE);
    CloseThreadpoolWait(wait);
    return 0;
}
