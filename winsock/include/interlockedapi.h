/* Interlocked operations: the compiler's atomics, all of them full barriers. In C++ each has
   overloads for the other integer types that a Windows program passes: `long` counters there have
   the size of LONG. */
#ifndef WSK_INTERLOCKEDAPI_H
#define WSK_INTERLOCKEDAPI_H
#include "winnt.h"

#define WSK_INTERLOCKED_ARITHMETIC(T, suffix) \
    WSK_INLINE T InterlockedIncrement##suffix(T volatile *p) { return (T)__sync_add_and_fetch(p, 1); } \
    WSK_INLINE T InterlockedDecrement##suffix(T volatile *p) { return (T)__sync_sub_and_fetch(p, 1); }
#define WSK_INTERLOCKED_EXCHANGE(T, suffix) \
    WSK_INLINE T InterlockedExchange##suffix(T volatile *p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
    WSK_INLINE T InterlockedExchangeAdd##suffix(T volatile *p, T v) { return __sync_fetch_and_add(p, v); } \
    WSK_INLINE T InterlockedAdd##suffix(T volatile *p, T v) { return (T)__sync_add_and_fetch(p, v); } \
    WSK_INLINE T InterlockedAnd##suffix(T volatile *p, T v) { return __sync_fetch_and_and(p, v); } \
    WSK_INLINE T InterlockedOr##suffix(T volatile *p, T v) { return __sync_fetch_and_or(p, v); } \
    WSK_INLINE T InterlockedXor##suffix(T volatile *p, T v) { return __sync_fetch_and_xor(p, v); } \
    WSK_INLINE T InterlockedCompareExchange##suffix(T volatile *p, T v, T comparand) { \
        return __sync_val_compare_and_swap(p, comparand, v); \
    }

#ifdef __cplusplus
extern "C++" {
#endif
WSK_INTERLOCKED_ARITHMETIC(LONG, )
WSK_INTERLOCKED_EXCHANGE(LONG, )
WSK_INTERLOCKED_ARITHMETIC(LONG64, 64)
WSK_INTERLOCKED_EXCHANGE(LONG64, 64)
WSK_INTERLOCKED_ARITHMETIC(SHORT, 16)
WSK_INTERLOCKED_EXCHANGE(SHORT, 16)
WSK_INTERLOCKED_EXCHANGE(CHAR, 8)
#ifdef __cplusplus
#define WSK_INTERLOCKED_LIKE_LONG(T) WSK_INTERLOCKED_ARITHMETIC(T, ) WSK_INTERLOCKED_EXCHANGE(T, )
#define WSK_INTERLOCKED_LIKE_LONG64(T) WSK_INTERLOCKED_ARITHMETIC(T, 64) WSK_INTERLOCKED_EXCHANGE(T, 64)
WSK_INTERLOCKED_LIKE_LONG(unsigned int)
WSK_INTERLOCKED_LIKE_LONG(long)
WSK_INTERLOCKED_LIKE_LONG(unsigned long)
WSK_INTERLOCKED_LIKE_LONG(unsigned long long)
WSK_INTERLOCKED_LIKE_LONG64(long)
WSK_INTERLOCKED_LIKE_LONG64(unsigned long)
WSK_INTERLOCKED_LIKE_LONG64(unsigned long long)
WSK_INTERLOCKED_ARITHMETIC(USHORT, 16)
/* A value of another type than the counter, such as the constant 1, is converted. */
#define WSK_INTERLOCKED_CONVERTED(T) \
    template <class V> inline T InterlockedExchange(T volatile *p, V v) { return InterlockedExchange(p, (T)v); } \
    template <class V> inline T InterlockedExchangeAdd(T volatile *p, V v) { return InterlockedExchangeAdd(p, (T)v); } \
    template <class V> inline T InterlockedAdd(T volatile *p, V v) { return InterlockedAdd(p, (T)v); } \
    template <class V> inline T InterlockedAnd(T volatile *p, V v) { return InterlockedAnd(p, (T)v); } \
    template <class V> inline T InterlockedOr(T volatile *p, V v) { return InterlockedOr(p, (T)v); } \
    template <class V, class W> inline T InterlockedCompareExchange(T volatile *p, V v, W comparand) { \
        return InterlockedCompareExchange(p, (T)v, (T)comparand); \
    }
WSK_INTERLOCKED_CONVERTED(unsigned int)
WSK_INTERLOCKED_CONVERTED(long)
WSK_INTERLOCKED_CONVERTED(unsigned long)
WSK_INTERLOCKED_CONVERTED(unsigned long long)
#endif
WSK_INLINE PVOID InterlockedExchangePointer(PVOID volatile *p, PVOID v) {
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}
WSK_INLINE PVOID InterlockedCompareExchangePointer(PVOID volatile *p, PVOID v, PVOID comparand) {
    return __sync_val_compare_and_swap(p, comparand, v);
}
WSK_INLINE BOOLEAN InterlockedBitTestAndSet(LONG volatile *p, LONG bit) {
    return (BOOLEAN)((__sync_fetch_and_or(p + bit / 32, (LONG)(1u << (bit & 31))) >> (bit & 31)) & 1);
}
WSK_INLINE BOOLEAN InterlockedBitTestAndReset(LONG volatile *p, LONG bit) {
    return (BOOLEAN)((__sync_fetch_and_and(p + bit / 32, (LONG)~(1u << (bit & 31))) >> (bit & 31)) & 1);
}
#ifdef __cplusplus
}
#endif

#define _InterlockedIncrement InterlockedIncrement
#define InterlockedIncrementAcquire InterlockedIncrement
#define InterlockedIncrementRelease InterlockedIncrement
#define InterlockedIncrementNoFence InterlockedIncrement
#define _InterlockedIncrement64 InterlockedIncrement64
#define InterlockedIncrementAcquire64 InterlockedIncrement64
#define InterlockedIncrementRelease64 InterlockedIncrement64
#define InterlockedIncrementNoFence64 InterlockedIncrement64
#define _InterlockedIncrement16 InterlockedIncrement16
#define _InterlockedDecrement InterlockedDecrement
#define InterlockedDecrementAcquire InterlockedDecrement
#define InterlockedDecrementRelease InterlockedDecrement
#define InterlockedDecrementNoFence InterlockedDecrement
#define _InterlockedDecrement64 InterlockedDecrement64
#define InterlockedDecrementAcquire64 InterlockedDecrement64
#define InterlockedDecrementRelease64 InterlockedDecrement64
#define InterlockedDecrementNoFence64 InterlockedDecrement64
#define _InterlockedDecrement16 InterlockedDecrement16
#define _InterlockedExchange InterlockedExchange
#define InterlockedExchangeAcquire InterlockedExchange
#define InterlockedExchangeRelease InterlockedExchange
#define InterlockedExchangeNoFence InterlockedExchange
#define _InterlockedExchange64 InterlockedExchange64
#define InterlockedExchangeAcquire64 InterlockedExchange64
#define InterlockedExchangeRelease64 InterlockedExchange64
#define InterlockedExchangeNoFence64 InterlockedExchange64
#define _InterlockedExchange16 InterlockedExchange16
#define _InterlockedExchangeAdd InterlockedExchangeAdd
#define InterlockedExchangeAddAcquire InterlockedExchangeAdd
#define InterlockedExchangeAddRelease InterlockedExchangeAdd
#define InterlockedExchangeAddNoFence InterlockedExchangeAdd
#define _InterlockedExchangeAdd64 InterlockedExchangeAdd64
#define InterlockedExchangeAddAcquire64 InterlockedExchangeAdd64
#define InterlockedExchangeAddRelease64 InterlockedExchangeAdd64
#define InterlockedExchangeAddNoFence64 InterlockedExchangeAdd64
#define _InterlockedExchangeAdd16 InterlockedExchangeAdd16
#define _InterlockedAnd InterlockedAnd
#define InterlockedAndAcquire InterlockedAnd
#define InterlockedAndRelease InterlockedAnd
#define InterlockedAndNoFence InterlockedAnd
#define _InterlockedAnd64 InterlockedAnd64
#define InterlockedAndAcquire64 InterlockedAnd64
#define InterlockedAndRelease64 InterlockedAnd64
#define InterlockedAndNoFence64 InterlockedAnd64
#define _InterlockedAnd16 InterlockedAnd16
#define _InterlockedOr InterlockedOr
#define InterlockedOrAcquire InterlockedOr
#define InterlockedOrRelease InterlockedOr
#define InterlockedOrNoFence InterlockedOr
#define _InterlockedOr64 InterlockedOr64
#define InterlockedOrAcquire64 InterlockedOr64
#define InterlockedOrRelease64 InterlockedOr64
#define InterlockedOrNoFence64 InterlockedOr64
#define _InterlockedOr16 InterlockedOr16
#define _InterlockedXor InterlockedXor
#define InterlockedXorAcquire InterlockedXor
#define InterlockedXorRelease InterlockedXor
#define InterlockedXorNoFence InterlockedXor
#define _InterlockedXor64 InterlockedXor64
#define InterlockedXorAcquire64 InterlockedXor64
#define InterlockedXorRelease64 InterlockedXor64
#define InterlockedXorNoFence64 InterlockedXor64
#define _InterlockedXor16 InterlockedXor16
#define _InterlockedCompareExchange InterlockedCompareExchange
#define InterlockedCompareExchangeAcquire InterlockedCompareExchange
#define InterlockedCompareExchangeRelease InterlockedCompareExchange
#define InterlockedCompareExchangeNoFence InterlockedCompareExchange
#define _InterlockedCompareExchange64 InterlockedCompareExchange64
#define InterlockedCompareExchangeAcquire64 InterlockedCompareExchange64
#define InterlockedCompareExchangeRelease64 InterlockedCompareExchange64
#define InterlockedCompareExchangeNoFence64 InterlockedCompareExchange64
#define _InterlockedCompareExchange16 InterlockedCompareExchange16
#define _InterlockedExchangePointer InterlockedExchangePointer
#define _InterlockedCompareExchangePointer InterlockedCompareExchangePointer
#define InterlockedAddAcquire InterlockedAdd
#define InterlockedAddRelease InterlockedAdd

WSK_BEGIN
VOID WINAPI InitializeSListHead(PSLIST_HEADER list) WSK(InitializeSListHead);
PSLIST_ENTRY WINAPI InterlockedPushEntrySList(PSLIST_HEADER list, PSLIST_ENTRY entry) WSK(InterlockedPushEntrySList);
PSLIST_ENTRY WINAPI InterlockedPushListSListEx(PSLIST_HEADER list, PSLIST_ENTRY first, PSLIST_ENTRY last, ULONG count) WSK(InterlockedPushListSListEx);
PSLIST_ENTRY WINAPI InterlockedPopEntrySList(PSLIST_HEADER list) WSK(InterlockedPopEntrySList);
PSLIST_ENTRY WINAPI InterlockedFlushSList(PSLIST_HEADER list) WSK(InterlockedFlushSList);
USHORT WINAPI QueryDepthSList(PSLIST_HEADER list) WSK(QueryDepthSList);
WSK_END
#endif
