/* Interlocked operations and thread-local storage: what they return. */
#include "check.h"

static DWORD slot;

static DWORD WINAPI other(LPVOID nothing) {
    (void)nothing;
    yes("empty in another thread", TlsGetValue(slot) == NULL);
    TlsSetValue(slot, (LPVOID)2);
    return (DWORD)(ULONG_PTR)TlsGetValue(slot);
}

int main(void) {
    volatile LONG value = 10;
    volatile LONG64 wide = 1;
    PVOID volatile pointer = NULL;
    HANDLE thread;
    DWORD code = 0;
    int target = 0;
    begin();
    show("InterlockedIncrement", InterlockedIncrement(&value));
    show("InterlockedDecrement", InterlockedDecrement(&value));
    show("InterlockedExchange", InterlockedExchange(&value, 20));
    show("InterlockedExchangeAdd", InterlockedExchangeAdd(&value, 5));
    show("value", value);
    show("InterlockedCompareExchange of another", InterlockedCompareExchange(&value, 1, 2));
    show("InterlockedCompareExchange", InterlockedCompareExchange(&value, 1, 25));
    show("value", value);
    show("InterlockedAnd", InterlockedAnd(&value, 3));
    show("InterlockedOr", InterlockedOr(&value, 6));
    show("InterlockedXor", InterlockedXor(&value, 1));
    show("value", value);
    show("InterlockedIncrement64", InterlockedIncrement64(&wide));
    show("InterlockedCompareExchange64", InterlockedCompareExchange64(&wide, 9, 2));
    show("InterlockedExchangeAdd64", InterlockedExchangeAdd64(&wide, 1));
    show("wide", wide);
    yes("InterlockedExchangePointer", InterlockedExchangePointer(&pointer, &target) == NULL);
    yes("InterlockedCompareExchangePointer", InterlockedCompareExchangePointer(&pointer, NULL, &target) == &target);
    slot = TlsAlloc();
    yes("TlsAlloc", slot != TLS_OUT_OF_INDEXES);
    SetLastError(5);
    yes("TlsGetValue of a new slot", TlsGetValue(slot) == NULL);
    show_error("clears the code", GetLastError());
    TRUTH("TlsSetValue", TlsSetValue(slot, (LPVOID)1));
    thread = CreateThread(NULL, 0, other, NULL, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    GetExitCodeThread(thread, &code);
    show("the other thread's value", (int)code);
    CloseHandle(thread);
    show("ours", (int)(ULONG_PTR)TlsGetValue(slot));
    TRUTH("TlsFree", TlsFree(slot));
    TRUTH("TlsFree twice", TlsFree(slot));
    TRUTH("TlsSetValue of a wrong slot", TlsSetValue(100000, NULL));
    return 0;
}
