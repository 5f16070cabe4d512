/* Clocks and dates: units, conversions, orders. No duration is compared. (trap 54) */
#include "check.h"
#include <mmsystem.h>

static void show_date(const char *what, const SYSTEMTIME *t) {
    printf("%s: %d-%02d-%02d %02d:%02d:%02d.%03d, weekday %d\n", what, t->wYear, t->wMonth, t->wDay, t->wHour, t->wMinute,
        t->wSecond, t->wMilliseconds, t->wDayOfWeek);
}

int main(void) {
    LARGE_INTEGER frequency, first, second;
    SYSTEMTIME date, utc;
    FILETIME file, later;
    ULARGE_INTEGER ticks;
    ULONGLONG begun, ended;
    DWORD old;
    begin();
    TRUTH("QueryPerformanceFrequency", QueryPerformanceFrequency(&frequency));
    yes("is positive", frequency.QuadPart > 0);
    TRUTH("QueryPerformanceCounter", QueryPerformanceCounter(&first));
    Sleep(20);
    QueryPerformanceCounter(&second);
    yes("Sleep(20) takes 15 ms or more by it", (second.QuadPart - first.QuadPart) * 1000 / frequency.QuadPart >= 15);
    begun = GetTickCount64();
    old = GetTickCount();
    yes("both tick counts agree", (DWORD)(old - (DWORD)begun) < 2000);
    Sleep(0);
    Sleep(1);
    ended = GetTickCount64();
    yes("GetTickCount64 doesn't go back", ended >= begun);
    show("timeBeginPeriod", (int)timeBeginPeriod(1));
    yes("timeGetTime", timeGetTime() != 0);
    show("timeEndPeriod", (int)timeEndPeriod(1));
    ticks.QuadPart = 0;
    file.dwLowDateTime = ticks.LowPart;
    file.dwHighDateTime = ticks.HighPart;
    TRUTH("FileTimeToSystemTime of 0", FileTimeToSystemTime(&file, &date));
    show_date("date", &date);
    ticks.QuadPart = 116444736000000000ULL;
    file.dwLowDateTime = ticks.LowPart;
    file.dwHighDateTime = ticks.HighPart;
    FileTimeToSystemTime(&file, &date);
    show_date("1970 of Unix", &date);
    memset(&date, 0, sizeof date);
    date.wYear = 2024; date.wMonth = 2; date.wDay = 29; date.wHour = 23; date.wMinute = 59; date.wSecond = 59; date.wMilliseconds = 999;
    TRUTH("SystemTimeToFileTime", SystemTimeToFileTime(&date, &file));
    ticks.LowPart = file.dwLowDateTime;
    ticks.HighPart = file.dwHighDateTime;
    printf("ticks: %u %u\n", (unsigned)(ticks.QuadPart / 10000000000ULL), (unsigned)(ticks.QuadPart % 10000000000ULL / 10000));
    FileTimeToSystemTime(&file, &utc);
    show_date("and back", &utc);
    date.wMonth = 13;
    TRUTH("month 13", SystemTimeToFileTime(&date, &later));
    date.wMonth = 2; date.wDay = 30;
    TRUTH("30 February", SystemTimeToFileTime(&date, &later));
    GetSystemTimeAsFileTime(&file);
    GetSystemTime(&utc);
    yes("this century", utc.wYear >= 2024 && utc.wYear < 2100);
    SystemTimeToFileTime(&utc, &later);
    yes("later or the same millisecond", CompareFileTime(&file, &later) <= 0
        || later.dwHighDateTime - file.dwHighDateTime < 2 || file.dwLowDateTime - later.dwLowDateTime < 10000);
    GetLocalTime(&date);
    yes("a local date", date.wMonth >= 1 && date.wMonth <= 12 && date.wDay >= 1 && date.wDay <= 31);
    return 0;
}
