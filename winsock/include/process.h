/* Threads of the C run-time. */
#ifndef WSK_PROCESS_H
#define WSK_PROCESS_H
#include "minwindef.h"
#include <stdlib.h>
#include <unistd.h>
#ifndef _P_WAIT
#define _P_WAIT 0
#define _P_NOWAIT 1
#endif
typedef void (*_beginthread_proc_type)(void *);
typedef unsigned (*_beginthreadex_proc_type)(void *);
WSK_BEGIN
uintptr_t _beginthread(void (*start)(void *), unsigned stack, void *argument) WSK(_beginthread);
uintptr_t _beginthreadex(void *security, unsigned stack, unsigned (*start)(void *), void *argument, unsigned flags, unsigned *id) WSK(_beginthreadex);
void _endthread(void) WSK(_endthread);
void _endthreadex(unsigned code) WSK(_endthreadex);
WSK_END
#define _getpid getpid
#define _execl execl
#define _execv execv
#define _cexit() ((void)fflush(NULL))

#ifdef __cplusplus
extern "C++" {
/* Start functions that return DWORD are `unsigned` here; `unsigned long` ones need a cast. */
template <class Id>
inline typename wsk_if_unsigned_long<Id, uintptr_t>::type _beginthreadex(void *security, unsigned stack, unsigned (*start)(void *), void *argument, unsigned flags, Id *id) {
    *id = 0;
    return _beginthreadex(security, stack, start, argument, flags, (unsigned *)id);
}
}
#endif
#endif
