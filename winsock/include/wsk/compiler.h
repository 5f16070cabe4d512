/* What gcc and clang need to read Windows headers and sources: symbol names, calling conventions,
   __int64 and __declspec. Every Windows function Foo is the symbol wsk_Foo of the library, so that
   no name of the C library is replaced for the rest of the process. */
#ifndef WSK_COMPILER_H
#define WSK_COMPILER_H

#if !defined(__linux__)
#error "winsock: these headers are for Linux. On Windows, use the system's own."
#endif
#if !defined(__LP64__)
#error "winsock: 64-bit targets only."
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <limits.h>
#include <wchar.h>

/* Binds a declared function to its symbol in the library. */
#define WSK(name) __asm__("wsk_" #name)

#ifdef __cplusplus
#define WSK_BEGIN extern "C" {
#define WSK_END }
#define WSK_DEFAULT(value) = value
#else
#define WSK_BEGIN
#define WSK_END
#define WSK_DEFAULT(value)
#endif

#define WSK_INLINE static __inline__ __attribute__((unused))

#ifndef __int8
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long
#define _int64 long long
#endif

#define __stdcall
#define __cdecl
#define __fastcall
#define __vectorcall
#define __thiscall
#define __clrcall
#define _stdcall
#define _cdecl
#define _fastcall
#define __forceinline __inline__ __attribute__((always_inline))
#define _inline __inline__
#define __unaligned
#define __w64
#define __ptr32
#define __ptr64
#define __restrict_msvc
#define __assume(condition) ((condition) ? (void)0 : __builtin_unreachable())
#define __noop(...) ((void)0)
#define __debugbreak() __builtin_trap()
#define __FUNCTIONW__ WSK_WIDEN(__FUNCTION__)
#define __FUNCSIG__ __PRETTY_FUNCTION__
#define __FUNCDNAME__ __FUNCTION__
#ifndef __alignof
#define __alignof __alignof__
#endif

/* __declspec(x): one macro for each x. An unknown one is an error that names it. */
#undef __declspec
#define __declspec(x) wsk_declspec_##x
#define _declspec(x) wsk_declspec_##x
#define wsk_declspec_dllexport __attribute__((visibility("default")))
#define wsk_declspec_dllimport
#define wsk_declspec_align(n) __attribute__((aligned(n)))
#define wsk_declspec_noinline __attribute__((noinline))
#define wsk_declspec_noreturn __attribute__((noreturn))
#define wsk_declspec_nothrow __attribute__((nothrow))
#define wsk_declspec_deprecated __attribute__((deprecated))
#define wsk_declspec_selectany __attribute__((weak))
#define wsk_declspec_restrict
#define wsk_declspec_allocator
#define wsk_declspec_novtable
#define wsk_declspec_noalias
#define wsk_declspec_empty_bases
#define wsk_declspec_uuid(id)
#define wsk_declspec_allocate(section)
#define wsk_declspec_code_seg(section)
#define wsk_declspec_safebuffers
#define wsk_declspec_guard(kind)
#if defined(__cplusplus) && __cplusplus >= 201103L
#define wsk_declspec_thread thread_local
#else
#define wsk_declspec_thread __thread
#endif

#define DECLSPEC_IMPORT
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define DECLSPEC_SELECTANY __attribute__((weak))
#define DECLSPEC_NOVTABLE
#define DECLSPEC_UUID(id)
#define FORCEINLINE WSK_INLINE
#define STDMETHODCALLTYPE
#ifndef EXTERN_C
#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
#endif
#define STDAPI EXTERN_C HRESULT
#define STDAPICALLTYPE

#ifdef __cplusplus
/* Choosers for the overloads that take a program's `unsigned long` where Windows has a DWORD. */
extern "C++" {
template <class T, class R> struct wsk_if_unsigned_long {};
template <class R> struct wsk_if_unsigned_long<unsigned long, R> { typedef R type; };

template <class T> struct wsk_is_count { enum { yes = 0, exact = 0 }; };
template <> struct wsk_is_count<unsigned int> { enum { yes = 1, exact = 1 }; };
template <> struct wsk_is_count<unsigned long> { enum { yes = 1, exact = 0 }; };
template <class T> struct wsk_is_key { enum { yes = 0, exact = 0 }; };
template <> struct wsk_is_key<unsigned long> { enum { yes = 1, exact = 1 }; };
template <> struct wsk_is_key<unsigned long long> { enum { yes = 1, exact = 0 }; };
template <> struct wsk_is_key<long long> { enum { yes = 1, exact = 0 }; };
template <> struct wsk_is_key<long> { enum { yes = 1, exact = 0 }; };
template <> struct wsk_is_key<unsigned int> { enum { yes = 1, exact = 0 }; };
template <bool B, class R> struct wsk_enable {};
template <class R> struct wsk_enable<true, R> { typedef R type; };
template <class Count, class Key, class R>
struct wsk_if_key
    : wsk_enable<bool(wsk_is_count<Count>::yes) && bool(wsk_is_key<Key>::yes) &&
                     !(bool(wsk_is_count<Count>::exact) && bool(wsk_is_key<Key>::exact)),
                 R> {};
}
#endif

#include "../sal.h"

#endif
