/* What is left of the base calls: messages, profile strings, the event log. */
#ifndef WSK_WINBASE_H
#define WSK_WINBASE_H
#include "minwinbase.h"
#include <stdarg.h>
#define FORMAT_MESSAGE_ALLOCATE_BUFFER 0x00000100
#define FORMAT_MESSAGE_IGNORE_INSERTS 0x00000200
#define FORMAT_MESSAGE_FROM_STRING 0x00000400
#define FORMAT_MESSAGE_FROM_HMODULE 0x00000800
#define FORMAT_MESSAGE_FROM_SYSTEM 0x00001000
#define FORMAT_MESSAGE_ARGUMENT_ARRAY 0x00002000
#define FORMAT_MESSAGE_MAX_WIDTH_MASK 0x000000FF
WSK_BEGIN
DWORD WINAPI FormatMessageA(DWORD flags, LPCVOID source, DWORD message, DWORD language, LPSTR buffer, DWORD size, va_list *arguments) WSK(FormatMessageA);
DWORD WINAPI FormatMessageW(DWORD flags, LPCVOID source, DWORD message, DWORD language, LPWSTR buffer, DWORD size, va_list *arguments) WSK(FormatMessageW);
UINT WINAPI GetPrivateProfileIntA(LPCSTR section, LPCSTR key, INT value, LPCSTR file) WSK(GetPrivateProfileIntA);
UINT WINAPI GetPrivateProfileIntW(LPCWSTR section, LPCWSTR key, INT value, LPCWSTR file) WSK(GetPrivateProfileIntW);
DWORD WINAPI GetPrivateProfileStringA(LPCSTR section, LPCSTR key, LPCSTR value, LPSTR buffer, DWORD size, LPCSTR file) WSK(GetPrivateProfileStringA);
DWORD WINAPI GetPrivateProfileStringW(LPCWSTR section, LPCWSTR key, LPCWSTR value, LPWSTR buffer, DWORD size, LPCWSTR file) WSK(GetPrivateProfileStringW);
BOOL WINAPI WritePrivateProfileStringA(LPCSTR section, LPCSTR key, LPCSTR value, LPCSTR file) WSK(WritePrivateProfileStringA);
BOOL WINAPI WritePrivateProfileStringW(LPCWSTR section, LPCWSTR key, LPCWSTR value, LPCWSTR file) WSK(WritePrivateProfileStringW);
HANDLE WINAPI RegisterEventSourceA(LPCSTR server, LPCSTR source) WSK(RegisterEventSourceA);
HANDLE WINAPI RegisterEventSourceW(LPCWSTR server, LPCWSTR source) WSK(RegisterEventSourceW);
BOOL WINAPI DeregisterEventSource(HANDLE log) WSK(DeregisterEventSource);
BOOL WINAPI ReportEventA(HANDLE log, WORD type, WORD category, DWORD id, PSID user, WORD count, DWORD size, LPCSTR *strings, LPVOID data) WSK(ReportEventA);
BOOL WINAPI ReportEventW(HANDLE log, WORD type, WORD category, DWORD id, PSID user, WORD count, DWORD size, LPCWSTR *strings, LPVOID data) WSK(ReportEventW);
BOOL WINAPI InitializeSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, DWORD revision) WSK(InitializeSecurityDescriptor);
BOOL WINAPI SetSecurityDescriptorDacl(PSECURITY_DESCRIPTOR descriptor, BOOL present, PACL dacl, BOOL defaulted) WSK(SetSecurityDescriptorDacl);
int WINAPI MulDiv(int number, int numerator, int denominator) WSK(MulDiv);
WSK_END

#ifdef UNICODE
#define FormatMessage FormatMessageW
#define GetPrivateProfileInt GetPrivateProfileIntW
#define GetPrivateProfileString GetPrivateProfileStringW
#define WritePrivateProfileString WritePrivateProfileStringW
#define RegisterEventSource RegisterEventSourceW
#define ReportEvent ReportEventW
#else
#define FormatMessage FormatMessageA
#define GetPrivateProfileInt GetPrivateProfileIntA
#define GetPrivateProfileString GetPrivateProfileStringA
#define WritePrivateProfileString WritePrivateProfileStringA
#define RegisterEventSource RegisterEventSourceA
#define ReportEvent ReportEventA
#endif
#endif
