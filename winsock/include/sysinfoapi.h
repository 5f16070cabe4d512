/* The machine, its memory, and clocks. */
#ifndef WSK_SYSINFOAPI_H
#define WSK_SYSINFOAPI_H
#include "minwinbase.h"

typedef struct _SYSTEM_INFO {
    __extension__ union {
        DWORD dwOemId;
        __extension__ struct { WORD wProcessorArchitecture; WORD wReserved; };
    };
    DWORD dwPageSize;
    LPVOID lpMinimumApplicationAddress, lpMaximumApplicationAddress;
    DWORD_PTR dwActiveProcessorMask;
    DWORD dwNumberOfProcessors, dwProcessorType, dwAllocationGranularity;
    WORD wProcessorLevel, wProcessorRevision;
} SYSTEM_INFO, *LPSYSTEM_INFO;
typedef struct _MEMORYSTATUSEX {
    DWORD dwLength, dwMemoryLoad;
    DWORDLONG ullTotalPhys, ullAvailPhys, ullTotalPageFile, ullAvailPageFile, ullTotalVirtual, ullAvailVirtual, ullAvailExtendedVirtual;
} MEMORYSTATUSEX, *LPMEMORYSTATUSEX;
typedef struct _MEMORYSTATUS {
    DWORD dwLength, dwMemoryLoad;
    SIZE_T dwTotalPhys, dwAvailPhys, dwTotalPageFile, dwAvailPageFile, dwTotalVirtual, dwAvailVirtual;
} MEMORYSTATUS, *LPMEMORYSTATUS;
typedef struct _OSVERSIONINFOA {
    DWORD dwOSVersionInfoSize, dwMajorVersion, dwMinorVersion, dwBuildNumber, dwPlatformId;
    CHAR szCSDVersion[128];
} OSVERSIONINFOA, *LPOSVERSIONINFOA;
typedef struct _OSVERSIONINFOW {
    DWORD dwOSVersionInfoSize, dwMajorVersion, dwMinorVersion, dwBuildNumber, dwPlatformId;
    WCHAR szCSDVersion[128];
} OSVERSIONINFOW, *LPOSVERSIONINFOW;
typedef struct _OSVERSIONINFOEXA {
    DWORD dwOSVersionInfoSize, dwMajorVersion, dwMinorVersion, dwBuildNumber, dwPlatformId;
    CHAR szCSDVersion[128];
    WORD wServicePackMajor, wServicePackMinor, wSuiteMask;
    BYTE wProductType, wReserved;
} OSVERSIONINFOEXA, *LPOSVERSIONINFOEXA;
#ifdef UNICODE
typedef OSVERSIONINFOW OSVERSIONINFO, *LPOSVERSIONINFO;
#else
typedef OSVERSIONINFOA OSVERSIONINFO, *LPOSVERSIONINFO;
typedef OSVERSIONINFOEXA OSVERSIONINFOEX, *LPOSVERSIONINFOEX;
#endif
typedef struct _TIME_ZONE_INFORMATION {
    LONG Bias;
    WCHAR StandardName[32];
    SYSTEMTIME StandardDate;
    LONG StandardBias;
    WCHAR DaylightName[32];
    SYSTEMTIME DaylightDate;
    LONG DaylightBias;
} TIME_ZONE_INFORMATION, *PTIME_ZONE_INFORMATION, *LPTIME_ZONE_INFORMATION;
#define TIME_ZONE_ID_UNKNOWN 0
#define TIME_ZONE_ID_STANDARD 1
#define TIME_ZONE_ID_DAYLIGHT 2

#define MAX_COMPUTERNAME_LENGTH 15
WSK_BEGIN
VOID WINAPI GetSystemInfo(LPSYSTEM_INFO information) WSK(GetSystemInfo);
VOID WINAPI GetNativeSystemInfo(LPSYSTEM_INFO information) WSK(GetNativeSystemInfo);
BOOL WINAPI GlobalMemoryStatusEx(LPMEMORYSTATUSEX status) WSK(GlobalMemoryStatusEx);
VOID WINAPI GlobalMemoryStatus(LPMEMORYSTATUS status) WSK(GlobalMemoryStatus);
DWORD WINAPI GetVersion(VOID) WSK(GetVersion);
BOOL WINAPI GetVersionExA(LPOSVERSIONINFOA version) WSK(GetVersionExA);
BOOL WINAPI GetVersionExW(LPOSVERSIONINFOW version) WSK(GetVersionExW);
BOOL WINAPI GetComputerNameA(LPSTR name, LPDWORD size) WSK(GetComputerNameA);
BOOL WINAPI GetComputerNameW(LPWSTR name, LPDWORD size) WSK(GetComputerNameW);
BOOL WINAPI GetUserNameA(LPSTR name, LPDWORD size) WSK(GetUserNameA);
BOOL WINAPI GetUserNameW(LPWSTR name, LPDWORD size) WSK(GetUserNameW);
DWORD WINAPI GetTickCount(VOID) WSK(GetTickCount);
ULONGLONG WINAPI GetTickCount64(VOID) WSK(GetTickCount64);
VOID WINAPI GetSystemTime(LPSYSTEMTIME time) WSK(GetSystemTime);
VOID WINAPI GetLocalTime(LPSYSTEMTIME time) WSK(GetLocalTime);
VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME time) WSK(GetSystemTimeAsFileTime);
VOID WINAPI GetSystemTimePreciseAsFileTime(LPFILETIME time) WSK(GetSystemTimePreciseAsFileTime);
BOOL WINAPI GetSystemTimes(PFILETIME idle, PFILETIME kernel, PFILETIME user) WSK(GetSystemTimes);
DWORD WINAPI GetTimeZoneInformation(LPTIME_ZONE_INFORMATION zone) WSK(GetTimeZoneInformation);
BOOL WINAPI FileTimeToSystemTime(const FILETIME *file, LPSYSTEMTIME time) WSK(FileTimeToSystemTime);
BOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *time, LPFILETIME file) WSK(SystemTimeToFileTime);
BOOL WINAPI FileTimeToLocalFileTime(const FILETIME *file, LPFILETIME local) WSK(FileTimeToLocalFileTime);
BOOL WINAPI LocalFileTimeToFileTime(const FILETIME *local, LPFILETIME file) WSK(LocalFileTimeToFileTime);
BOOL WINAPI SystemTimeToTzSpecificLocalTime(const TIME_ZONE_INFORMATION *zone, const SYSTEMTIME *utc, LPSYSTEMTIME local) WSK(SystemTimeToTzSpecificLocalTime);
LONG WINAPI CompareFileTime(const FILETIME *a, const FILETIME *b) WSK(CompareFileTime);
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *count) WSK(QueryPerformanceCounter);
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *frequency) WSK(QueryPerformanceFrequency);
WSK_END

#ifdef UNICODE
#define GetVersionEx GetVersionExW
#define GetComputerName GetComputerNameW
#define GetUserName GetUserNameW
#else
#define GetVersionEx GetVersionExA
#define GetComputerName GetComputerNameA
#define GetUserName GetUserNameA
#endif
#endif
