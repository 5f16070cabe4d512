/* Overlapped I/O and completion ports. */
#ifndef WSK_IOAPISET_H
#define WSK_IOAPISET_H
#include "minwinbase.h"

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 0x2
#define HasOverlappedIoCompleted(overlapped) \
    (((DWORD)(*(volatile ULONG_PTR *)&(overlapped)->Internal)) != STATUS_PENDING)

WSK_BEGIN
HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD concurrency) WSK(CreateIoCompletionPort);
BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, PULONG_PTR key, LPOVERLAPPED *overlapped, DWORD milliseconds) WSK(GetQueuedCompletionStatus);
BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG count, PULONG removed, DWORD milliseconds, BOOL alertable) WSK(GetQueuedCompletionStatusEx);
BOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, LPOVERLAPPED overlapped) WSK(PostQueuedCompletionStatus);
BOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR flags) WSK(SetFileCompletionNotificationModes);
BOOL WINAPI GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, BOOL wait) WSK(GetOverlappedResult);
BOOL WINAPI GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD milliseconds, BOOL alertable) WSK(GetOverlappedResultEx);
BOOL WINAPI CancelIo(HANDLE file) WSK(CancelIo);
BOOL WINAPI CancelIoEx(HANDLE file, LPOVERLAPPED overlapped) WSK(CancelIoEx);
BOOL WINAPI CancelSynchronousIo(HANDLE thread) WSK(CancelSynchronousIo);
BOOL WINAPI BindIoCompletionCallback(HANDLE file, LPOVERLAPPED_COMPLETION_ROUTINE routine, ULONG flags) WSK(BindIoCompletionCallback);
BOOL WINAPI DeviceIoControl(HANDLE file, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD returned, LPOVERLAPPED overlapped) WSK(DeviceIoControl);
WSK_END

#ifdef __cplusplus
extern "C++" {
/* Counts and keys received in variables of the types that are the same as DWORD and ULONG_PTR in
   MSVC (`unsigned long`, `unsigned long long`). A key behind an LPDWORD cast gets all its bits: the
   variable there is a pointer or a SOCKET. */
template <class Count>
inline typename wsk_if_unsigned_long<Count, BOOL>::type GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, Count *bytes, BOOL wait) {
    *bytes = (DWORD)*bytes;
    return GetOverlappedResult(file, overlapped, (LPDWORD)bytes, wait);
}
template <class Count, class Key>
inline typename wsk_if_key<Count, Key, BOOL>::type GetQueuedCompletionStatus(HANDLE port, Count *bytes, Key *key, LPOVERLAPPED *overlapped, DWORD milliseconds) {
    if (sizeof(*bytes) > sizeof(DWORD)) *bytes = (DWORD)*bytes;
    return GetQueuedCompletionStatus(port, (LPDWORD)bytes, (PULONG_PTR)key, overlapped, milliseconds);
}
}
#endif
#endif
