/* The base types and macros. */
#ifndef WSK_MINWINDEF_H
#define WSK_MINWINDEF_H
#include "basetsd.h"

#define WINVER_WSK 0x0A00
#ifndef WINVER
#define WINVER WINVER_WSK
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT WINVER_WSK
#endif

#define VOID void
#define CONST const
#define FAR
#define NEAR
#define far
#define near
#define pascal
#define PASCAL
#define cdecl
#define CDECL
#define WINAPI
#define CALLBACK
#define APIENTRY
#define WINAPIV
#define APIPRIVATE
#define NTAPI
#define NTSYSAPI
#define WINBASEAPI
#define WINADVAPI
#define WINUSERAPI
#define WINSOCK_API_LINKAGE
#define WSAAPI
#define WSPAPI
#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif
#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef NULL
#define NULL 0
#endif
#define MAX_PATH 260

typedef char CHAR, *PCHAR, *LPCH, *PCH, *NPSTR, *LPSTR, *PSTR;
typedef const char *LPCCH, *PCCH, *LPCSTR, *PCSTR;
typedef LPSTR *PZPSTR;
typedef wchar_t WCHAR, *PWCHAR, *LPWCH, *PWCH, *NWPSTR, *LPWSTR, *PWSTR;
typedef const wchar_t *LPCWCH, *PCWCH, *LPCWSTR, *PCWSTR;
typedef unsigned char BYTE, *PBYTE, *LPBYTE;
typedef unsigned char UCHAR, *PUCHAR;
typedef unsigned char BOOLEAN, *PBOOLEAN;
typedef short SHORT, *PSHORT;
typedef unsigned short USHORT, *PUSHORT;
typedef unsigned short WORD, *PWORD, *LPWORD;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT, *LPUINT;
typedef int BOOL, *PBOOL, *LPBOOL;
typedef int LONG, *PLONG, *LPLONG;
typedef unsigned int ULONG, *PULONG;
typedef unsigned int DWORD, *PDWORD, *LPDWORD;
typedef float FLOAT, *PFLOAT;
typedef double DOUBLE;
typedef long long LONGLONG, *PLONGLONG;
typedef unsigned long long ULONGLONG, *PULONGLONG;
typedef ULONGLONG DWORDLONG, *PDWORDLONG;
typedef LONGLONG USN;
typedef void *PVOID, *LPVOID;
typedef PVOID PVOID64;
typedef const void *LPCVOID, *PCVOID;
typedef BYTE FCHAR;
typedef WORD FSHORT;
typedef DWORD FLONG;
typedef WORD ATOM;
typedef char CCHAR;
typedef int HFILE;

typedef int HRESULT;
typedef LONG NTSTATUS, *PNTSTATUS;
typedef UINT_PTR WPARAM;
typedef LONG_PTR LPARAM;
typedef LONG_PTR LRESULT;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, TBYTE, *PTBYTE;
typedef LPWSTR PTSTR, LPTSTR, LPTCH, PTCH;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define WSK_TEXT(quoted) L##quoted
#else
typedef char TCHAR, *PTCHAR;
typedef unsigned char TBYTE, *PTBYTE;
typedef LPSTR PTSTR, LPTSTR, LPTCH, PTCH;
typedef LPCSTR LPCTSTR, PCTSTR;
#define WSK_TEXT(quoted) quoted
#endif
#define __TEXT(quoted) WSK_TEXT(quoted)
#define TEXT(quoted) WSK_TEXT(quoted)
#define WSK_WIDEN_(quoted) L##quoted
#define WSK_WIDEN(quoted) WSK_WIDEN_(quoted)

typedef void *HANDLE, **PHANDLE, **LPHANDLE;
#define DECLARE_HANDLE(name) typedef struct name##__ { int unused; } *name
DECLARE_HANDLE(HINSTANCE);
typedef HINSTANCE HMODULE;
DECLARE_HANDLE(HWND);
DECLARE_HANDLE(HKEY);
DECLARE_HANDLE(HDC);
DECLARE_HANDLE(HMENU);
DECLARE_HANDLE(HICON);
DECLARE_HANDLE(HBRUSH);
DECLARE_HANDLE(HBITMAP);
DECLARE_HANDLE(HFONT);
DECLARE_HANDLE(HRSRC);
typedef HICON HCURSOR;
typedef HKEY *PHKEY;
typedef HANDLE HGLOBAL, HLOCAL, GLOBALHANDLE, LOCALHANDLE;
typedef long (*FARPROC)(void);
typedef long (*PROC)(void);
typedef long (*NEARPROC)(void);
typedef DWORD COLORREF, *LPCOLORREF;
typedef DWORD LCID, *PLCID;
typedef WORD LANGID;
typedef DWORD ACCESS_MASK, *PACCESS_MASK;

typedef struct tagPOINT { LONG x, y; } POINT, *PPOINT, *LPPOINT;
typedef struct tagSIZE { LONG cx, cy; } SIZE, *PSIZE, *LPSIZE;
typedef struct tagRECT { LONG left, top, right, bottom; } RECT, *PRECT, *LPRECT;

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

#define LOBYTE(w) ((BYTE)((DWORD_PTR)(w) & 0xff))
#define HIBYTE(w) ((BYTE)(((DWORD_PTR)(w) >> 8) & 0xff))
#define LOWORD(l) ((WORD)((DWORD_PTR)(l) & 0xffff))
#define HIWORD(l) ((WORD)(((DWORD_PTR)(l) >> 16) & 0xffff))
#define MAKEWORD(low, high) ((WORD)((BYTE)((DWORD_PTR)(low) & 0xff) | ((WORD)((BYTE)((DWORD_PTR)(high) & 0xff))) << 8))
#define MAKELONG(low, high) ((LONG)((WORD)((DWORD_PTR)(low) & 0xffff) | ((DWORD)((WORD)((DWORD_PTR)(high) & 0xffff))) << 16))
#define MAKEWPARAM(l, h) ((WPARAM)(DWORD)MAKELONG(l, h))
#define MAKELPARAM(l, h) ((LPARAM)(DWORD)MAKELONG(l, h))

#define UNREFERENCED_PARAMETER(P) ((void)(P))
#define DBG_UNREFERENCED_PARAMETER(P) ((void)(P))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(V) ((void)(V))

/* C programs count on the macros. C++ gets functions that step back when the program's own or
   std::min fits better, because the macros break the standard library's headers. */
#ifndef NOMINMAX
#ifdef __cplusplus
#if __cplusplus >= 201103L && !defined(WSK_NO_MINMAX)
extern "C++" {
template <class A, class B>
constexpr auto(min)(const A &a, const B &b) -> decltype(true ? A(a) : B(b)) {
    return decltype(true ? A(a) : B(b))(b) < decltype(true ? A(a) : B(b))(a) ? b : a;
}
template <class A, class B>
constexpr auto(max)(const A &a, const B &b) -> decltype(true ? A(a) : B(b)) {
    return decltype(true ? A(a) : B(b))(a) < decltype(true ? A(a) : B(b))(b) ? b : a;
}
}
#endif
#else
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#endif
#endif

#endif
