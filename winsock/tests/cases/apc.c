/* QueueUserAPC: order, other threads, threads that have not begun, APCs that queue APCs. (trap 24) */
#include "check.h"

static HANDLE ready;
static int order;

static void CALLBACK say(ULONG_PTR number) { printf("APC %d, position %d\n", (int)number, ++order); }
static void CALLBACK count(ULONG_PTR number) { (void)number; order++; }
static void CALLBACK again(ULONG_PTR left) {
    printf("APC with %d left\n", (int)left);
    if (left) QueueUserAPC(again, GetCurrentThread(), left - 1);
}

static DWORD WINAPI wait_alertably(LPVOID nothing) {
    DWORD outcome;
    (void)nothing;
    SetEvent(ready);
    outcome = SleepEx(LONG_WAIT, TRUE);
    return outcome;
}

static DWORD WINAPI do_nothing(LPVOID nothing) {
    (void)nothing;
    printf("the thread begins after %d\n", order);
    return 0;
}

int main(void) {
    HANDLE thread, event;
    DWORD code = 0, before;
    begin();
    ready = CreateEventA(NULL, FALSE, FALSE, NULL);
    event = CreateEventA(NULL, FALSE, TRUE, NULL);
    TRUTH("QueueUserAPC", QueueUserAPC(say, GetCurrentThread(), 1));
    TRUTH("QueueUserAPC", QueueUserAPC(say, GetCurrentThread(), 2));
    TRUTH("QueueUserAPC", QueueUserAPC(say, GetCurrentThread(), 3));
    Sleep(1);
    show("none has run", order);
    show_wait("the event is set, too", WaitForSingleObjectEx(event, LONG_WAIT, TRUE));
    show_wait("it was not consumed", WaitForSingleObjectEx(event, 0, TRUE));
    QueueUserAPC(again, GetCurrentThread(), 2);
    show_wait("SleepEx", SleepEx(0, TRUE));
    show("and nothing is left", (int)SleepEx(0, TRUE));
    thread = CreateThread(NULL, 0, wait_alertably, NULL, 0, NULL);
    WaitForSingleObject(ready, LONG_WAIT);
    Sleep(SHORT_WAIT);
    order = 0;
    TRUTH("to another thread", QueueUserAPC(count, thread, 0));
    show_wait("its end", WaitForSingleObject(thread, LONG_WAIT));
    GetExitCodeThread(thread, &code);
    show_wait("its SleepEx", code);
    show("it ran", order);
    TRUTH("to a thread that has ended", QueueUserAPC(count, thread, 0));
    CloseHandle(thread);
    order = 0;
    thread = CreateThread(NULL, 0, do_nothing, NULL, CREATE_SUSPENDED, NULL);
    QueueUserAPC(count, thread, 0);
    QueueUserAPC(count, thread, 0);
    before = ResumeThread(thread);
    show_wait("its end", WaitForSingleObject(thread, LONG_WAIT));
    show("ResumeThread", (int)before);
    CloseHandle(thread);
    TRUTH("to no thread", QueueUserAPC(count, NULL, 0));
    CloseHandle(ready);
    CloseHandle(event);
    return 0;
}
