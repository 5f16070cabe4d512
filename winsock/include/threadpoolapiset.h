/* The thread pool: work, timers, waits and I/O. */
#ifndef WSK_THREADPOOLAPISET_H
#define WSK_THREADPOOLAPISET_H
#include "minwinbase.h"
#include "synchapi.h"

typedef struct _TP_POOL TP_POOL, *PTP_POOL;
typedef struct _TP_WORK TP_WORK, *PTP_WORK;
typedef struct _TP_TIMER TP_TIMER, *PTP_TIMER;
typedef struct _TP_WAIT TP_WAIT, *PTP_WAIT;
typedef struct _TP_IO TP_IO, *PTP_IO;
typedef struct _TP_CLEANUP_GROUP TP_CLEANUP_GROUP, *PTP_CLEANUP_GROUP;
typedef struct _TP_CALLBACK_INSTANCE TP_CALLBACK_INSTANCE, *PTP_CALLBACK_INSTANCE;
typedef DWORD TP_VERSION, *PTP_VERSION;
typedef DWORD TP_WAIT_RESULT;

typedef VOID (NTAPI *PTP_SIMPLE_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context);
typedef VOID (NTAPI *PTP_WORK_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WORK work);
typedef VOID (NTAPI *PTP_TIMER_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer);
typedef VOID (NTAPI *PTP_WAIT_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result);
typedef VOID (WINAPI *PTP_WIN32_IO_CALLBACK)(PTP_CALLBACK_INSTANCE instance, PVOID context, PVOID overlapped, ULONG result, ULONG_PTR bytes, PTP_IO io);
typedef VOID (NTAPI *PTP_CLEANUP_GROUP_CANCEL_CALLBACK)(PVOID object, PVOID cleanup);

typedef enum _TP_CALLBACK_PRIORITY {
    TP_CALLBACK_PRIORITY_HIGH,
    TP_CALLBACK_PRIORITY_NORMAL,
    TP_CALLBACK_PRIORITY_LOW,
    TP_CALLBACK_PRIORITY_INVALID,
    TP_CALLBACK_PRIORITY_COUNT = TP_CALLBACK_PRIORITY_INVALID
} TP_CALLBACK_PRIORITY;
typedef struct _TP_CALLBACK_ENVIRON_V3 {
    TP_VERSION Version;
    PTP_POOL Pool;
    PTP_CLEANUP_GROUP CleanupGroup;
    PTP_CLEANUP_GROUP_CANCEL_CALLBACK CleanupGroupCancelCallback;
    PVOID RaceDll;
    PVOID ActivationContext;
    PTP_SIMPLE_CALLBACK FinalizationCallback;
    union { DWORD Flags; } u;
    TP_CALLBACK_PRIORITY CallbackPriority;
    DWORD Size;
} TP_CALLBACK_ENVIRON, *PTP_CALLBACK_ENVIRON;

#define WT_EXECUTEDEFAULT 0x0
#define WT_EXECUTEINIOTHREAD 0x1
#define WT_EXECUTEINWAITTHREAD 0x4
#define WT_EXECUTEONLYONCE 0x8
#define WT_EXECUTELONGFUNCTION 0x10
#define WT_EXECUTEINTIMERTHREAD 0x20
#define WT_EXECUTEINPERSISTENTTHREAD 0x80

WSK_BEGIN
PTP_POOL WINAPI CreateThreadpool(PVOID reserved) WSK(CreateThreadpool);
VOID WINAPI SetThreadpoolThreadMaximum(PTP_POOL pool, DWORD count) WSK(SetThreadpoolThreadMaximum);
BOOL WINAPI SetThreadpoolThreadMinimum(PTP_POOL pool, DWORD count) WSK(SetThreadpoolThreadMinimum);
VOID WINAPI CloseThreadpool(PTP_POOL pool) WSK(CloseThreadpool);
PTP_CLEANUP_GROUP WINAPI CreateThreadpoolCleanupGroup(VOID) WSK(CreateThreadpoolCleanupGroup);
VOID WINAPI CloseThreadpoolCleanupGroup(PTP_CLEANUP_GROUP group) WSK(CloseThreadpoolCleanupGroup);
VOID WINAPI CloseThreadpoolCleanupGroupMembers(PTP_CLEANUP_GROUP group, BOOL cancel, PVOID context) WSK(CloseThreadpoolCleanupGroupMembers);

PTP_IO WINAPI CreateThreadpoolIo(HANDLE file, PTP_WIN32_IO_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment) WSK(CreateThreadpoolIo);
VOID WINAPI StartThreadpoolIo(PTP_IO io) WSK(StartThreadpoolIo);
VOID WINAPI CancelThreadpoolIo(PTP_IO io) WSK(CancelThreadpoolIo);
VOID WINAPI WaitForThreadpoolIoCallbacks(PTP_IO io, BOOL cancel) WSK(WaitForThreadpoolIoCallbacks);
VOID WINAPI CloseThreadpoolIo(PTP_IO io) WSK(CloseThreadpoolIo);

PTP_WORK WINAPI CreateThreadpoolWork(PTP_WORK_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment) WSK(CreateThreadpoolWork);
VOID WINAPI SubmitThreadpoolWork(PTP_WORK work) WSK(SubmitThreadpoolWork);
VOID WINAPI WaitForThreadpoolWorkCallbacks(PTP_WORK work, BOOL cancel) WSK(WaitForThreadpoolWorkCallbacks);
VOID WINAPI CloseThreadpoolWork(PTP_WORK work) WSK(CloseThreadpoolWork);
BOOL WINAPI TrySubmitThreadpoolCallback(PTP_SIMPLE_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment) WSK(TrySubmitThreadpoolCallback);
BOOL WINAPI QueueUserWorkItem(LPTHREAD_START_ROUTINE function, PVOID context, ULONG flags) WSK(QueueUserWorkItem);

PTP_TIMER WINAPI CreateThreadpoolTimer(PTP_TIMER_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment) WSK(CreateThreadpoolTimer);
VOID WINAPI SetThreadpoolTimer(PTP_TIMER timer, PFILETIME due, DWORD period, DWORD window) WSK(SetThreadpoolTimer);
BOOL WINAPI SetThreadpoolTimerEx(PTP_TIMER timer, PFILETIME due, DWORD period, DWORD window) WSK(SetThreadpoolTimerEx);
BOOL WINAPI IsThreadpoolTimerSet(PTP_TIMER timer) WSK(IsThreadpoolTimerSet);
VOID WINAPI WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, BOOL cancel) WSK(WaitForThreadpoolTimerCallbacks);
VOID WINAPI CloseThreadpoolTimer(PTP_TIMER timer) WSK(CloseThreadpoolTimer);

PTP_WAIT WINAPI CreateThreadpoolWait(PTP_WAIT_CALLBACK callback, PVOID context, PTP_CALLBACK_ENVIRON environment) WSK(CreateThreadpoolWait);
VOID WINAPI SetThreadpoolWait(PTP_WAIT wait, HANDLE handle, PFILETIME timeout) WSK(SetThreadpoolWait);
BOOL WINAPI SetThreadpoolWaitEx(PTP_WAIT wait, HANDLE handle, PFILETIME timeout, PVOID reserved) WSK(SetThreadpoolWaitEx);
VOID WINAPI WaitForThreadpoolWaitCallbacks(PTP_WAIT wait, BOOL cancel) WSK(WaitForThreadpoolWaitCallbacks);
VOID WINAPI CloseThreadpoolWait(PTP_WAIT wait) WSK(CloseThreadpoolWait);

HANDLE WINAPI CreateTimerQueue(VOID) WSK(CreateTimerQueue);
BOOL WINAPI CreateTimerQueueTimer(PHANDLE timer, HANDLE queue, WAITORTIMERCALLBACK callback, PVOID parameter, DWORD due, DWORD period, ULONG flags) WSK(CreateTimerQueueTimer);
BOOL WINAPI ChangeTimerQueueTimer(HANDLE queue, HANDLE timer, ULONG due, ULONG period) WSK(ChangeTimerQueueTimer);
BOOL WINAPI DeleteTimerQueueTimer(HANDLE queue, HANDLE timer, HANDLE event) WSK(DeleteTimerQueueTimer);
BOOL WINAPI DeleteTimerQueue(HANDLE queue) WSK(DeleteTimerQueue);
BOOL WINAPI DeleteTimerQueueEx(HANDLE queue, HANDLE event) WSK(DeleteTimerQueueEx);
VOID WINAPI DisassociateCurrentThreadFromCallback(PTP_CALLBACK_INSTANCE instance) WSK(DisassociateCurrentThreadFromCallback);
BOOL WINAPI CallbackMayRunLong(PTP_CALLBACK_INSTANCE instance) WSK(CallbackMayRunLong);
VOID WINAPI SetEventWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE event) WSK(SetEventWhenCallbackReturns);
VOID WINAPI LeaveCriticalSectionWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, PCRITICAL_SECTION section) WSK(LeaveCriticalSectionWhenCallbackReturns);
VOID WINAPI ReleaseSemaphoreWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE semaphore, DWORD count) WSK(ReleaseSemaphoreWhenCallbackReturns);
VOID WINAPI ReleaseMutexWhenCallbackReturns(PTP_CALLBACK_INSTANCE instance, HANDLE mutex) WSK(ReleaseMutexWhenCallbackReturns);
WSK_END

WSK_INLINE VOID InitializeThreadpoolEnvironment(PTP_CALLBACK_ENVIRON environment) {
    memset(environment, 0, sizeof(*environment));
    environment->Version = 3;
    environment->CallbackPriority = TP_CALLBACK_PRIORITY_NORMAL;
    environment->Size = sizeof(*environment);
}
WSK_INLINE VOID SetThreadpoolCallbackPool(PTP_CALLBACK_ENVIRON environment, PTP_POOL pool) { environment->Pool = pool; }
WSK_INLINE VOID SetThreadpoolCallbackCleanupGroup(PTP_CALLBACK_ENVIRON environment, PTP_CLEANUP_GROUP group, PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancel) {
    environment->CleanupGroup = group;
    environment->CleanupGroupCancelCallback = cancel;
}
WSK_INLINE VOID DestroyThreadpoolEnvironment(PTP_CALLBACK_ENVIRON environment) { (void)environment; }
#endif
