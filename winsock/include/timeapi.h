/* The multimedia clock, in milliseconds. */
#ifndef WSK_TIMEAPI_H
#define WSK_TIMEAPI_H
#include "minwinbase.h"
typedef UINT MMRESULT;
typedef struct timecaps_tag { UINT wPeriodMin, wPeriodMax; } TIMECAPS, *PTIMECAPS, *LPTIMECAPS;
typedef void (CALLBACK *LPTIMECALLBACK)(UINT timer, UINT message, DWORD_PTR user, DWORD_PTR first, DWORD_PTR second);
#define TIMERR_NOERROR 0
#define TIMERR_NOCANDO 97
#define MMSYSERR_NOERROR 0
#define TIME_ONESHOT 0
#define TIME_PERIODIC 1
#define TIME_CALLBACK_FUNCTION 0
#define TIME_KILL_SYNCHRONOUS 0x100
WSK_BEGIN
DWORD WINAPI timeGetTime(void) WSK(timeGetTime);
MMRESULT WINAPI timeBeginPeriod(UINT period) WSK(timeBeginPeriod);
MMRESULT WINAPI timeEndPeriod(UINT period) WSK(timeEndPeriod);
MMRESULT WINAPI timeGetDevCaps(LPTIMECAPS caps, UINT size) WSK(timeGetDevCaps);
WSK_END
#endif
