/* The little of the kernel's own interface that is documented. */
#ifndef WSK_WINTERNL_H
#define WSK_WINTERNL_H
#include "windows.h"
typedef struct _UNICODE_STRING { USHORT Length, MaximumLength; PWSTR Buffer; } UNICODE_STRING, *PUNICODE_STRING;
typedef struct _IO_STATUS_BLOCK {
    __extension__ union { NTSTATUS Status; PVOID Pointer; };
    ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;
#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)
WSK_BEGIN
ULONG WINAPI RtlNtStatusToDosError(NTSTATUS status) WSK(RtlNtStatusToDosError);
WSK_END
#endif
