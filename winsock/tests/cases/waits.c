/* Waits for several objects: which index, what is consumed, what is refused. (trap 25) */
#include "check.h"

static HANDLE events[65];

static DWORD WINAPI set_later(LPVOID event) {
    Sleep(SHORT_WAIT);
    SetEvent(event);
    return 0;
}

int main(void) {
    HANDLE pair[2], thread;
    int i;
    begin();
    for (i = 0; i < 65; i++) events[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
    show_wait("none of 64", WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE));
    SetEvent(events[63]);
    show_wait("the last of 64", WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE));
    SetEvent(events[40]);
    SetEvent(events[7]);
    show_wait("the lowest of two", WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE));
    show_wait("the other is not consumed", WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE));
    show_wait("now both are", WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE));
    SetLastError(0);
    show_wait("65 events", WSAWaitForMultipleEvents(65, events, FALSE, 0, FALSE));
    SetLastError(0);
    show_wait("65 objects", WaitForMultipleObjects(65, events, FALSE, 0));
    SetLastError(0);
    show_wait("no events", WSAWaitForMultipleEvents(0, events, FALSE, 0, FALSE));
    SetLastError(0);
    show_wait("no objects", WaitForMultipleObjects(0, events, FALSE, 0));
    SetLastError(0);
    show_wait("NULL", WaitForSingleObject(NULL, 0));
    SetEvent(events[0]);
    show_wait("all of two, one is set", WaitForMultipleObjects(2, events, TRUE, SHORT_WAIT));
    show_wait("nothing was consumed", WaitForSingleObject(events[0], 0));
    SetEvent(events[0]);
    SetEvent(events[1]);
    show_wait("all of two, both are set", WaitForMultipleObjects(2, events, TRUE, 0));
    show_wait("both were consumed", WaitForMultipleObjects(2, events, FALSE, 0));
    pair[0] = pair[1] = events[0];
    SetLastError(0);
    show_wait("all of the same twice", WaitForMultipleObjects(2, pair, TRUE, 0));
    SetEvent(events[0]);
    SetLastError(0);
    show_wait("any of the same twice", WaitForMultipleObjects(2, pair, FALSE, 0));
    pair[1] = (HANDLE)(ULONG_PTR)0x7ffffff0;
    SetLastError(0);
    show_wait("a wrong handle behind an event", WaitForMultipleObjects(2, pair, FALSE, 0));
    thread = CreateThread(NULL, 0, set_later, events[9], 0, NULL);
    show_wait("an event that is set meanwhile", WaitForMultipleObjects(64, events, FALSE, LONG_WAIT));
    pair[0] = events[9];
    pair[1] = thread;
    show_wait("a thread and an event", WaitForMultipleObjects(2, pair, FALSE, LONG_WAIT));
    show_wait("the thread alone", WaitForSingleObject(thread, 0));
    CloseHandle(thread);
    SetEvent(events[3]);
    show_wait("SignalObjectAndWait", SignalObjectAndWait(events[4], events[3], LONG_WAIT, FALSE));
    show_wait("what it signalled", WaitForSingleObject(events[4], 0));
    show_wait("WaitForSingleObjectEx without an APC", WaitForSingleObjectEx(events[4], SHORT_WAIT, TRUE));
    for (i = 0; i < 65; i++) CloseHandle(events[i]);
    SetLastError(0);
    show_wait("a closed event", WaitForSingleObject(events[3], 0));
    return 0;
}
