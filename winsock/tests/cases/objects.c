/* Mutexes, semaphores, timers and threads in waits. (trap 25) */
#include "check.h"

static HANDLE mutex;

static DWORD WINAPI take_and_end(LPVOID nothing) {
    (void)nothing;
    WaitForSingleObject(mutex, INFINITE);
    return 7;
}

static DWORD WINAPI try_it(LPVOID nothing) {
    (void)nothing;
    return WaitForSingleObject(mutex, 0);
}

static DWORD WINAPI release_it(LPVOID nothing) {
    (void)nothing;
    SetLastError(0);
    return ReleaseMutex(mutex) ? 0 : GetLastError();
}

static DWORD in_a_thread(LPTHREAD_START_ROUTINE start) {
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, start, NULL, 0, NULL);
    WaitForSingleObject(thread, LONG_WAIT);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

int main(void) {
    HANDLE semaphore, timer, both[2], again;
    LARGE_INTEGER due;
    LONG before = -1;
    begin();
    mutex = CreateMutexA(NULL, TRUE, NULL);
    yes("CreateMutex", mutex != NULL);
    show_wait("its owner again", WaitForSingleObject(mutex, 0));
    show_wait("another thread", in_a_thread(try_it));
    show_error("another thread's ReleaseMutex", in_a_thread(release_it));
    TRUTH("ReleaseMutex", ReleaseMutex(mutex));
    show_wait("another thread, held once", in_a_thread(try_it));
    TRUTH("ReleaseMutex", ReleaseMutex(mutex));
    TRUTH("ReleaseMutex of a free one", ReleaseMutex(mutex));
    show("a thread that ends with it", (int)in_a_thread(take_and_end));
    show_wait("it is abandoned", WaitForSingleObject(mutex, 0));
    show_wait("and then ours", WaitForSingleObject(mutex, 0));
    ReleaseMutex(mutex);
    ReleaseMutex(mutex);
    in_a_thread(take_and_end);
    both[0] = CreateEventA(NULL, TRUE, FALSE, NULL);
    both[1] = mutex;
    show_wait("abandoned as the second", WaitForMultipleObjects(2, both, FALSE, 0));
    CloseHandle(both[0]);
    CloseHandle(mutex);

    semaphore = CreateSemaphoreA(NULL, 2, 3, NULL);
    yes("CreateSemaphore", semaphore != NULL);
    show_wait("first", WaitForSingleObject(semaphore, 0));
    show_wait("second", WaitForSingleObject(semaphore, 0));
    show_wait("third", WaitForSingleObject(semaphore, 0));
    TRUTH("ReleaseSemaphore", ReleaseSemaphore(semaphore, 2, &before));
    show("count before", before);
    TRUTH("ReleaseSemaphore beyond the most", ReleaseSemaphore(semaphore, 2, &before));
    TRUTH("ReleaseSemaphore by 0", ReleaseSemaphore(semaphore, 0, NULL));
    TRUTH("CreateSemaphore with more than the most", CreateSemaphoreA(NULL, 4, 3, NULL));
    TRUTH("SetEvent on a semaphore", SetEvent(semaphore));
    CloseHandle(semaphore);

    timer = CreateWaitableTimerA(NULL, FALSE, NULL);
    yes("CreateWaitableTimer", timer != NULL);
    show_wait("not set", WaitForSingleObject(timer, SHORT_WAIT));
    due.QuadPart = -10000 * 10;
    TRUTH("SetWaitableTimer", SetWaitableTimer(timer, &due, 0, NULL, NULL, FALSE));
    show_wait("set", WaitForSingleObject(timer, LONG_WAIT));
    show_wait("once", WaitForSingleObject(timer, SHORT_WAIT));
    due.QuadPart = -10000;
    SetWaitableTimer(timer, &due, 10, NULL, NULL, FALSE);
    show_wait("periodic", WaitForSingleObject(timer, LONG_WAIT));
    show_wait("periodic again", WaitForSingleObject(timer, LONG_WAIT));
    TRUTH("CancelWaitableTimer", CancelWaitableTimer(timer));
    CloseHandle(timer);
    again = CreateThread(NULL, 0, try_it, NULL, 0, NULL);
    show_wait("a thread", WaitForSingleObject(again, LONG_WAIT));
    show_wait("a thread again", WaitForSingleObject(again, 0));
    CloseHandle(again);
    return 0;
}
