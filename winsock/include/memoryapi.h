/* Heaps, pages, global and local memory. */
#ifndef WSK_MEMORYAPI_H
#define WSK_MEMORYAPI_H
#include "minwinbase.h"
#include <string.h>

typedef struct _MEMORY_BASIC_INFORMATION {
    PVOID BaseAddress, AllocationBase;
    DWORD AllocationProtect;
    SIZE_T RegionSize;
    DWORD State, Protect, Type;
} MEMORY_BASIC_INFORMATION, *PMEMORY_BASIC_INFORMATION;

#define GMEM_FIXED 0x0000
#define GMEM_MOVEABLE 0x0002
#define GMEM_ZEROINIT 0x0040
#define GHND (GMEM_MOVEABLE | GMEM_ZEROINIT)
#define GPTR (GMEM_FIXED | GMEM_ZEROINIT)
#define LMEM_FIXED 0x0000
#define LMEM_MOVEABLE 0x0002
#define LMEM_ZEROINIT 0x0040
#define LHND (LMEM_MOVEABLE | LMEM_ZEROINIT)
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)

#define MoveMemory RtlMoveMemory
#define CopyMemory RtlCopyMemory
#define FillMemory RtlFillMemory
#define ZeroMemory RtlZeroMemory
#define SecureZeroMemory RtlSecureZeroMemory

WSK_BEGIN
HANDLE WINAPI GetProcessHeap(VOID) WSK(GetProcessHeap);
HANDLE WINAPI HeapCreate(DWORD options, SIZE_T initial, SIZE_T maximum) WSK(HeapCreate);
BOOL WINAPI HeapDestroy(HANDLE heap) WSK(HeapDestroy);
LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size) WSK(HeapAlloc);
LPVOID WINAPI HeapReAlloc(HANDLE heap, DWORD flags, LPVOID memory, SIZE_T size) WSK(HeapReAlloc);
BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory) WSK(HeapFree);
SIZE_T WINAPI HeapSize(HANDLE heap, DWORD flags, LPCVOID memory) WSK(HeapSize);
BOOL WINAPI HeapValidate(HANDLE heap, DWORD flags, LPCVOID memory) WSK(HeapValidate);
SIZE_T WINAPI HeapCompact(HANDLE heap, DWORD flags) WSK(HeapCompact);
BOOL WINAPI HeapSetInformation(HANDLE heap, HEAP_INFORMATION_CLASS what, PVOID information, SIZE_T size) WSK(HeapSetInformation);
BOOL WINAPI HeapQueryInformation(HANDLE heap, HEAP_INFORMATION_CLASS what, PVOID information, SIZE_T size, PSIZE_T returned) WSK(HeapQueryInformation);
HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size) WSK(GlobalAlloc);
HGLOBAL WINAPI GlobalReAlloc(HGLOBAL memory, SIZE_T size, UINT flags) WSK(GlobalReAlloc);
HGLOBAL WINAPI GlobalFree(HGLOBAL memory) WSK(GlobalFree);
LPVOID WINAPI GlobalLock(HGLOBAL memory) WSK(GlobalLock);
BOOL WINAPI GlobalUnlock(HGLOBAL memory) WSK(GlobalUnlock);
SIZE_T WINAPI GlobalSize(HGLOBAL memory) WSK(GlobalSize);
HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size) WSK(LocalAlloc);
HLOCAL WINAPI LocalReAlloc(HLOCAL memory, SIZE_T size, UINT flags) WSK(LocalReAlloc);
HLOCAL WINAPI LocalFree(HLOCAL memory) WSK(LocalFree);
LPVOID WINAPI LocalLock(HLOCAL memory) WSK(LocalLock);
BOOL WINAPI LocalUnlock(HLOCAL memory) WSK(LocalUnlock);
SIZE_T WINAPI LocalSize(HLOCAL memory) WSK(LocalSize);
LPVOID WINAPI VirtualAlloc(LPVOID address, SIZE_T size, DWORD type, DWORD protect) WSK(VirtualAlloc);
BOOL WINAPI VirtualFree(LPVOID address, SIZE_T size, DWORD type) WSK(VirtualFree);
BOOL WINAPI VirtualProtect(LPVOID address, SIZE_T size, DWORD protect, PDWORD old) WSK(VirtualProtect);
BOOL WINAPI VirtualLock(LPVOID address, SIZE_T size) WSK(VirtualLock);
BOOL WINAPI VirtualUnlock(LPVOID address, SIZE_T size) WSK(VirtualUnlock);
BOOL WINAPI ReadProcessMemory(HANDLE process, LPCVOID address, LPVOID buffer, SIZE_T size, SIZE_T *read) WSK(ReadProcessMemory);
BOOL WINAPI WriteProcessMemory(HANDLE process, LPVOID address, LPCVOID buffer, SIZE_T size, SIZE_T *written) WSK(WriteProcessMemory);
BOOL WINAPI SetProcessWorkingSetSize(HANDLE process, SIZE_T minimum, SIZE_T maximum) WSK(SetProcessWorkingSetSize);
BOOL WINAPI IsBadReadPtr(const VOID *memory, UINT_PTR size) WSK(IsBadReadPtr);
BOOL WINAPI IsBadWritePtr(LPVOID memory, UINT_PTR size) WSK(IsBadWritePtr);
BOOL WINAPI IsBadStringPtrA(LPCSTR text, UINT_PTR maximum) WSK(IsBadStringPtrA);
BOOL WINAPI IsBadStringPtrW(LPCWSTR text, UINT_PTR maximum) WSK(IsBadStringPtrW);
WSK_END

#ifdef UNICODE
#define IsBadStringPtr IsBadStringPtrW
#else
#define IsBadStringPtr IsBadStringPtrA
#endif
#endif
