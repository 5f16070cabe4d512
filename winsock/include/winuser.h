/* The little of the user interface that console programs call. */
#ifndef WSK_WINUSER_H
#define WSK_WINUSER_H
#include "minwinbase.h"
#include <stdarg.h>
#define MB_OK 0x0
#define MB_OKCANCEL 0x1
#define MB_ABORTRETRYIGNORE 0x2
#define MB_YESNOCANCEL 0x3
#define MB_YESNO 0x4
#define MB_RETRYCANCEL 0x5
#define MB_ICONHAND 0x10
#define MB_ICONQUESTION 0x20
#define MB_ICONEXCLAMATION 0x30
#define MB_ICONASTERISK 0x40
#define MB_ICONWARNING MB_ICONEXCLAMATION
#define MB_ICONERROR MB_ICONHAND
#define MB_ICONINFORMATION MB_ICONASTERISK
#define MB_ICONSTOP MB_ICONHAND
#define MB_SYSTEMMODAL 0x1000
#define MB_TASKMODAL 0x2000
#define MB_SETFOREGROUND 0x10000
#define MB_TOPMOST 0x40000
#define MB_SERVICE_NOTIFICATION 0x200000
#define IDOK 1
#define IDCANCEL 2
#define IDABORT 3
#define IDRETRY 4
#define IDIGNORE 5
#define IDYES 6
#define IDNO 7
#define WM_USER 0x0400
#define WM_APP 0x8000
#define SW_HIDE 0
#define SW_SHOW 5
#define VK_BACK 0x08
#define VK_TAB 0x09
#define VK_RETURN 0x0D
#define VK_SHIFT 0x10
#define VK_CONTROL 0x11
#define VK_MENU 0x12
#define VK_ESCAPE 0x1B
#define VK_SPACE 0x20
#define VK_PRIOR 0x21
#define VK_NEXT 0x22
#define VK_END 0x23
#define VK_HOME 0x24
#define VK_LEFT 0x25
#define VK_UP 0x26
#define VK_RIGHT 0x27
#define VK_DOWN 0x28
#define VK_INSERT 0x2D
#define VK_DELETE 0x2E
#define VK_F1 0x70
#define VK_F2 0x71
#define VK_F3 0x72
#define VK_F4 0x73
#define VK_F5 0x74
#define VK_F12 0x7B
#define MAKEINTRESOURCEA(i) ((LPSTR)((ULONG_PTR)((WORD)(i))))
#define MAKEINTRESOURCEW(i) ((LPWSTR)((ULONG_PTR)((WORD)(i))))
#define QS_ALLINPUT 0x04FF
#define QS_ALLEVENTS 0x04BF
#define MWMO_WAITALL 0x1
#define MWMO_ALERTABLE 0x2
WSK_BEGIN
/* No message ever ends these waits: there are no windows. */
DWORD WINAPI MsgWaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds, DWORD mask) WSK(MsgWaitForMultipleObjects);
DWORD WINAPI MsgWaitForMultipleObjectsEx(DWORD count, const HANDLE *handles, DWORD milliseconds, DWORD mask, DWORD flags) WSK(MsgWaitForMultipleObjectsEx);
int WINAPI MessageBoxA(HWND window, LPCSTR text, LPCSTR caption, UINT type) WSK(MessageBoxA);
int WINAPI MessageBoxW(HWND window, LPCWSTR text, LPCWSTR caption, UINT type) WSK(MessageBoxW);
BOOL WINAPI MessageBeep(UINT type) WSK(MessageBeep);
BOOL WINAPI Beep(DWORD frequency, DWORD milliseconds) WSK(Beep);
SHORT WINAPI GetAsyncKeyState(int key) WSK(GetAsyncKeyState);
SHORT WINAPI GetKeyState(int key) WSK(GetKeyState);
int WINAPIV wsprintfA(LPSTR buffer, LPCSTR format, ...) WSK(wsprintfA);
int WINAPIV wsprintfW(LPWSTR buffer, LPCWSTR format, ...) WSK(wsprintfW);
int WINAPI wvsprintfA(LPSTR buffer, LPCSTR format, va_list arguments) WSK(wvsprintfA);
int WINAPI wvsprintfW(LPWSTR buffer, LPCWSTR format, va_list arguments) WSK(wvsprintfW);
BOOL WINAPI CharToOemA(LPCSTR from, LPSTR to) WSK(CharToOemA);
BOOL WINAPI CharToOemBuffA(LPCSTR from, LPSTR to, DWORD length) WSK(CharToOemBuffA);
BOOL WINAPI OemToCharA(LPCSTR from, LPSTR to) WSK(OemToCharA);
LPSTR WINAPI CharUpperA(LPSTR text) WSK(CharUpperA);
LPSTR WINAPI CharLowerA(LPSTR text) WSK(CharLowerA);
WSK_END

#ifdef UNICODE
#define MessageBox MessageBoxW
#define wsprintf wsprintfW
#define wvsprintf wvsprintfW
#else
#define MessageBox MessageBoxA
#define wsprintf wsprintfA
#define wvsprintf wvsprintfA
#endif
#endif
