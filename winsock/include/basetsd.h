/* Integer types by size. LONG and DWORD have 32 bits as on Windows, where `long` has them too. */
#ifndef WSK_BASETSD_H
#define WSK_BASETSD_H
#include "wsk/compiler.h"

typedef signed char INT8, *PINT8;
typedef signed short INT16, *PINT16;
typedef signed int INT32, *PINT32;
typedef signed long long INT64, *PINT64;
typedef unsigned char UINT8, *PUINT8;
typedef unsigned short UINT16, *PUINT16;
typedef unsigned int UINT32, *PUINT32;
typedef unsigned long long UINT64, *PUINT64;
typedef int LONG32, *PLONG32;
typedef unsigned int ULONG32, *PULONG32;
typedef unsigned int DWORD32, *PDWORD32;
typedef long long LONG64, *PLONG64;
typedef unsigned long long ULONG64, *PULONG64;
typedef unsigned long long DWORD64, *PDWORD64;

/* As wide as a pointer, and the same types as size_t and ptrdiff_t. */
typedef long INT_PTR, *PINT_PTR;
typedef unsigned long UINT_PTR, *PUINT_PTR;
typedef long LONG_PTR, *PLONG_PTR;
typedef unsigned long ULONG_PTR, *PULONG_PTR;
typedef ULONG_PTR DWORD_PTR, *PDWORD_PTR;
typedef ULONG_PTR SIZE_T, *PSIZE_T;
typedef LONG_PTR SSIZE_T, *PSSIZE_T;
typedef unsigned int UHALF_PTR;
typedef int HALF_PTR;
typedef ULONG_PTR KAFFINITY, *PKAFFINITY;
#define __int3264 long

#define MAXUINT8 ((UINT8)~((UINT8)0))
#define MAXUINT16 ((UINT16)~((UINT16)0))
#define MAXUINT32 ((UINT32)~((UINT32)0))
#define MAXUINT64 ((UINT64)~((UINT64)0))
#define MAXINT8 ((INT8)(MAXUINT8 >> 1))
#define MAXINT16 ((INT16)(MAXUINT16 >> 1))
#define MAXINT32 ((INT32)(MAXUINT32 >> 1))
#define MAXINT64 ((INT64)(MAXUINT64 >> 1))
#define MAXULONG64 ((ULONG64)~((ULONG64)0))
#define MAXLONG64 ((LONG64)(MAXULONG64 >> 1))
#define MAXULONG32 ((ULONG32)~((ULONG32)0))
#define MAXLONG32 ((LONG32)(MAXULONG32 >> 1))
#define MAXULONGLONG ((ULONGLONG)~((ULONGLONG)0))
#define MAXLONGLONG (0x7fffffffffffffffLL)
#define MAXUINT ((UINT)~((UINT)0))
#define MAXINT ((INT)(MAXUINT >> 1))
#define MAXULONG ((ULONG)~((ULONG)0))
#define MAXULONG_PTR ((ULONG_PTR)~((ULONG_PTR)0))
#define MAXSIZE_T ((SIZE_T)~((SIZE_T)0))

#define HandleToULong(h) ((ULONG)(ULONG_PTR)(h))
#define HandleToLong(h) ((LONG)(LONG_PTR)(h))
#define ULongToHandle(v) ((HANDLE)(ULONG_PTR)(v))
#define LongToHandle(v) ((HANDLE)(LONG_PTR)(v))
#define PtrToUlong(p) ((ULONG)(ULONG_PTR)(p))
#define PtrToLong(p) ((LONG)(LONG_PTR)(p))
#define PtrToUint(p) ((UINT)(UINT_PTR)(p))
#define PtrToInt(p) ((INT)(INT_PTR)(p))
#define IntToPtr(i) ((VOID *)(INT_PTR)((int)(i)))
#define UIntToPtr(i) ((VOID *)(UINT_PTR)((unsigned int)(i)))
#define LongToPtr(i) ((VOID *)(LONG_PTR)((int)(i)))
#define ULongToPtr(i) ((VOID *)(ULONG_PTR)((unsigned int)(i)))
#define UlongToPtr(i) ULongToPtr(i)
#define ULongToPtr64(i) ULongToPtr(i)
#endif
