/* A list of the threads of a process. */
#ifndef WSK_TLHELP32_H
#define WSK_TLHELP32_H
#include "windows.h"
#define TH32CS_SNAPHEAPLIST 0x1
#define TH32CS_SNAPPROCESS 0x2
#define TH32CS_SNAPTHREAD 0x4
#define TH32CS_SNAPMODULE 0x8
#define TH32CS_SNAPALL 0xF
#define MAX_MODULE_NAME32 255
typedef struct tagTHREADENTRY32 {
    DWORD dwSize, cntUsage, th32ThreadID, th32OwnerProcessID;
    LONG tpBasePri, tpDeltaPri;
    DWORD dwFlags;
} THREADENTRY32, *PTHREADENTRY32, *LPTHREADENTRY32;
WSK_BEGIN
HANDLE WINAPI CreateToolhelp32Snapshot(DWORD flags, DWORD process) WSK(CreateToolhelp32Snapshot);
BOOL WINAPI Thread32First(HANDLE snapshot, LPTHREADENTRY32 entry) WSK(Thread32First);
BOOL WINAPI Thread32Next(HANDLE snapshot, LPTHREADENTRY32 entry) WSK(Thread32Next);
WSK_END
#endif
