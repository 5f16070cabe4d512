/* Events: manual and automatic reset, names, pulses, the calls of both headers. (traps 16, 26) */
#include "check.h"

int main(void) {
    HANDLE manual, automatic, named, same, opened;
    WSAEVENT event;
    begin();
    manual = CreateEventW(NULL, TRUE, FALSE, NULL);
    automatic = CreateEventA(NULL, FALSE, FALSE, NULL);
    yes("CreateEvent", manual != NULL && automatic != NULL);
    show_wait("a new event", WaitForSingleObject(manual, 0));
    TRUTH("SetEvent", SetEvent(manual));
    TRUTH("SetEvent again", SetEvent(manual));
    show_wait("manual", WaitForSingleObject(manual, 0));
    show_wait("manual again", WaitForSingleObject(manual, 0));
    TRUTH("ResetEvent", ResetEvent(manual));
    show_wait("after ResetEvent", WaitForSingleObject(manual, 0));
    SetEvent(automatic);
    SetEvent(automatic);
    show_wait("automatic", WaitForSingleObject(automatic, 0));
    show_wait("automatic again", WaitForSingleObject(automatic, 0));
    TRUTH("PulseEvent", PulseEvent(manual));
    show_wait("after PulseEvent", WaitForSingleObject(manual, 0));
    CloseHandle(automatic);
    automatic = CreateEventA(NULL, FALSE, TRUE, NULL);
    show_wait("made signalled", WaitForSingleObject(automatic, 0));
    event = WSACreateEvent();
    yes("WSACreateEvent", event != WSA_INVALID_EVENT);
    show_wait("it is not signalled", WaitForSingleObject(event, 0));
    TRUTH("WSASetEvent", WSASetEvent(event));
    show_wait("it is", WaitForSingleObject(event, 0));
    show_wait("it is manual", WaitForSingleObject(event, 0));
    TRUTH("WSAResetEvent", WSAResetEvent(event));
    show_wait("it isn't", WaitForSingleObject(event, 0));
    TRUTH("CloseHandle of a WSAEVENT", CloseHandle(event));
    TRUTH("WSACloseEvent of it", WSACloseEvent(event));
    TRUTH("WSASetEvent of it", WSASetEvent(event));
    TRUTH("WSACloseEvent of an event", WSACloseEvent(manual));
    TRUTH("SetEvent(NULL)", SetEvent(NULL));
    TRUTH("ResetEvent(INVALID_HANDLE_VALUE)", ResetEvent(INVALID_HANDLE_VALUE));
    SetLastError(5);
    named = CreateEventA(NULL, TRUE, TRUE, "winsock-case-event");
    show_error("a new name", GetLastError());
    same = CreateEventA(NULL, TRUE, FALSE, "winsock-case-event");
    show_error("the same name", GetLastError());
    yes("is another handle", same != NULL && same != named);
    ResetEvent(same);
    show_wait("of the same event", WaitForSingleObject(named, 0));
    opened = OpenEventA(EVENT_ALL_ACCESS, FALSE, "winsock-case-event");
    yes("OpenEvent", opened != NULL);
    SetEvent(opened);
    show_wait("is the same too", WaitForSingleObject(named, 0));
    CloseHandle(opened);
    CloseHandle(same);
    CloseHandle(named);
    TRUTH("OpenEvent after the last CloseHandle", OpenEventA(EVENT_ALL_ACCESS, FALSE, "winsock-case-event"));
    CloseHandle(automatic);
    return 0;
}
