/* Calls that few programs make: timers by name and with a delay, waits for messages, lists at once. */
#include "check.h"

static int calls;

static VOID CALLBACK on_time(LPVOID argument, DWORD low, DWORD high) {
    (void)low;
    (void)high;
    calls += *(int *)argument;
}

static VOID CALLBACK apc(ULONG_PTR parameter) { calls += (int)parameter; }

static void timers(void) {
    HANDLE timer = CreateWaitableTimerW(NULL, TRUE, L"winsock-case-timer"), opened;
    LARGE_INTEGER due;
    int one = 1;
    due.QuadPart = -10000;
    opened = OpenWaitableTimerW(TIMER_ALL_ACCESS, FALSE, L"winsock-case-timer");
    yes("OpenWaitableTimerW", opened != NULL);
    TRUTH("OpenWaitableTimerA of none", OpenWaitableTimerA(TIMER_ALL_ACCESS, FALSE, "winsock-case-none"));
    TRUTH("SetWaitableTimerEx", SetWaitableTimerEx(opened, &due, 0, on_time, &one, NULL, 10));
    show_wait("the timer by its other handle", WaitForSingleObject(timer, LONG_WAIT));
    while (!calls) SleepEx(1, TRUE);
    show("routines", calls);
    CloseHandle(opened);
    TRUTH("SetWaitableTimerEx of a closed one", SetWaitableTimerEx(opened, &due, 0, NULL, NULL, NULL, 0));
    CloseHandle(timer);
}

static void messages(void) {
    HANDLE events[2];
    events[0] = CreateEventW(NULL, TRUE, FALSE, NULL);
    events[1] = CreateEventW(NULL, TRUE, TRUE, NULL);
    show_wait("MsgWaitForMultipleObjects", MsgWaitForMultipleObjects(2, events, FALSE, LONG_WAIT, 0));
    show_wait("for all", MsgWaitForMultipleObjects(2, events, TRUE, SHORT_WAIT, 0));
    show_wait("with the mask of all input", MsgWaitForMultipleObjects(1, events, FALSE, SHORT_WAIT, QS_ALLINPUT));
    calls = 0;
    QueueUserAPC(apc, GetCurrentThread(), 7);
    show_wait("MsgWaitForMultipleObjectsEx", MsgWaitForMultipleObjectsEx(1, events, SHORT_WAIT, 0, 0));
    show("calls", calls);
    show_wait("alertable", MsgWaitForMultipleObjectsEx(1, events, LONG_WAIT, 0, MWMO_ALERTABLE));
    show("calls", calls);
    SetEvent(events[0]);
    show_wait("for all that are set", MsgWaitForMultipleObjectsEx(2, events, LONG_WAIT, 0, MWMO_WAITALL));
    CloseHandle(events[0]);
    CloseHandle(events[1]);
}

static void lists(void) {
    static DECLSPEC_ALIGN(16) SLIST_HEADER list;
    static DECLSPEC_ALIGN(16) SLIST_ENTRY entries[4];
    InitializeSListHead(&list);
    entries[1].Next = &entries[2];
    entries[2].Next = &entries[3];
    InterlockedPushEntrySList(&list, &entries[0]);
    yes("the entry before", InterlockedPushListSListEx(&list, &entries[1], &entries[3], 3) == &entries[0]);
    show("entries", QueryDepthSList(&list));
    yes("the first", InterlockedPopEntrySList(&list) == &entries[1]);
    yes("the second", InterlockedPopEntrySList(&list) == &entries[2]);
}

int main(void) {
    begin();
    timers();
    messages();
    lists();
    TRUTH("SetThreadPriorityBoost", SetThreadPriorityBoost(GetCurrentThread(), TRUE));
    return 0;
}
