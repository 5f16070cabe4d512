/* The debug heap's names: a release build has them empty, and so has this. */
#ifndef WSK_CRTDBG_H
#define WSK_CRTDBG_H
#include "wsk/crt.h"
#include <assert.h>
#define _CRT_WARN 0
#define _CRT_ERROR 1
#define _CRT_ASSERT 2
#define _CRTDBG_ALLOC_MEM_DF 0x01
#define _CRTDBG_DELAY_FREE_MEM_DF 0x02
#define _CRTDBG_CHECK_ALWAYS_DF 0x04
#define _CRTDBG_CHECK_CRT_DF 0x10
#define _CRTDBG_LEAK_CHECK_DF 0x20
#define _CRTDBG_REPORT_FLAG (-1)
#define _CRTDBG_MODE_FILE 0x1
#define _CRTDBG_MODE_DEBUG 0x2
#define _CRTDBG_MODE_WNDW 0x4
#define _CRTDBG_REPORT_MODE (-1)
#define _CRTDBG_FILE_STDOUT ((void *)-4)
#define _CRTDBG_FILE_STDERR ((void *)-5)
#define _NORMAL_BLOCK 1
#define _CLIENT_BLOCK 4
typedef int (*_CRT_REPORT_HOOK)(int type, char *message, int *result);
typedef struct _CrtMemState { size_t counts[5]; } _CrtMemState;
#define _CrtSetDbgFlag(flags) ((int)(flags))
#define _CrtSetReportMode(type, mode) ((int)0)
#define _CrtSetReportFile(type, file) ((void *)0)
#define _CrtSetReportHook(hook) ((_CRT_REPORT_HOOK)0)
#define _CrtSetReportHook2(mode, hook) ((int)0)
#define _CrtSetBreakAlloc(number) ((long)0)
#define _CrtDumpMemoryLeaks() ((int)0)
#define _CrtCheckMemory() ((int)1)
#define _CrtMemCheckpoint(state) ((void)0)
#define _CrtMemDifference(difference, old, now) ((int)0)
#define _CrtMemDumpStatistics(state) ((void)0)
#define _CrtMemDumpAllObjectsSince(state) ((void)0)
#define _CrtIsValidHeapPointer(memory) ((int)1)
#define _CrtDbgReport(...) ((int)0)
#define _CrtDbgBreak() __builtin_trap()
#ifdef NDEBUG
#define _ASSERT(condition) ((void)0)
#define _ASSERTE(condition) ((void)0)
#define _ASSERT_EXPR(condition, message) ((void)0)
#else
#define _ASSERT(condition) assert(condition)
#define _ASSERTE(condition) assert(condition)
#define _ASSERT_EXPR(condition, message) assert(condition)
#endif
#define _RPT0(type, message) ((void)0)
#define _RPT1(type, message, a) ((void)0)
#define _RPTF0(type, message) ((void)0)
#define _malloc_dbg(size, type, file, line) malloc(size)
#define _free_dbg(memory, type) free(memory)
#endif
