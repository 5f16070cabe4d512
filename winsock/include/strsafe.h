/* String functions that cannot overflow: StringCch counts characters, StringCb bytes. */
#ifndef WSK_STRSAFE_H
#define WSK_STRSAFE_H
#include "minwindef.h"
#include "winerror.h"
#include <stdarg.h>
#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007AU)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057U)
#define STRSAFE_E_END_OF_FILE ((HRESULT)0x80070026U)
#define STRSAFE_IGNORE_NULLS 0x100
#define STRSAFE_FILL_BEHIND_NULL 0x200
#define STRSAFE_NULL_ON_FAILURE 0x800
#define STRSAFE_NO_TRUNCATION 0x1000
WSK_BEGIN
HRESULT StringCchCopyA(char *to, size_t size, const char *from) WSK(StringCchCopyA);
HRESULT StringCchCatA(char *to, size_t size, const char *from) WSK(StringCchCatA);
HRESULT StringCchCopyNA(char *to, size_t size, const char *from, size_t count) WSK(StringCchCopyNA);
HRESULT StringCchCatNA(char *to, size_t size, const char *from, size_t count) WSK(StringCchCatNA);
HRESULT StringCchLengthA(const char *text, size_t size, size_t *length) WSK(StringCchLengthA);
HRESULT StringCchPrintfA(char *to, size_t size, const char *format, ...) WSK(StringCchPrintfA);
HRESULT StringCchVPrintfA(char *to, size_t size, const char *format, va_list arguments) WSK(StringCchVPrintfA);
HRESULT StringCbCopyA(char *to, size_t size, const char *from) WSK(StringCbCopyA);
HRESULT StringCbCatA(char *to, size_t size, const char *from) WSK(StringCbCatA);
HRESULT StringCbCopyNA(char *to, size_t size, const char *from, size_t count) WSK(StringCbCopyNA);
HRESULT StringCbCatNA(char *to, size_t size, const char *from, size_t count) WSK(StringCbCatNA);
HRESULT StringCbLengthA(const char *text, size_t size, size_t *length) WSK(StringCbLengthA);
HRESULT StringCbPrintfA(char *to, size_t size, const char *format, ...) WSK(StringCbPrintfA);
HRESULT StringCbVPrintfA(char *to, size_t size, const char *format, va_list arguments) WSK(StringCbVPrintfA);
HRESULT StringCchCopyW(wchar_t *to, size_t size, const wchar_t *from) WSK(StringCchCopyW);
HRESULT StringCchCatW(wchar_t *to, size_t size, const wchar_t *from) WSK(StringCchCatW);
HRESULT StringCchCopyNW(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(StringCchCopyNW);
HRESULT StringCchCatNW(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(StringCchCatNW);
HRESULT StringCchLengthW(const wchar_t *text, size_t size, size_t *length) WSK(StringCchLengthW);
HRESULT StringCchPrintfW(wchar_t *to, size_t size, const wchar_t *format, ...) WSK(StringCchPrintfW);
HRESULT StringCchVPrintfW(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) WSK(StringCchVPrintfW);
HRESULT StringCbCopyW(wchar_t *to, size_t size, const wchar_t *from) WSK(StringCbCopyW);
HRESULT StringCbCatW(wchar_t *to, size_t size, const wchar_t *from) WSK(StringCbCatW);
HRESULT StringCbCopyNW(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(StringCbCopyNW);
HRESULT StringCbCatNW(wchar_t *to, size_t size, const wchar_t *from, size_t count) WSK(StringCbCatNW);
HRESULT StringCbLengthW(const wchar_t *text, size_t size, size_t *length) WSK(StringCbLengthW);
HRESULT StringCbPrintfW(wchar_t *to, size_t size, const wchar_t *format, ...) WSK(StringCbPrintfW);
HRESULT StringCbVPrintfW(wchar_t *to, size_t size, const wchar_t *format, va_list arguments) WSK(StringCbVPrintfW);
WSK_END

#ifdef UNICODE
#define StringCchCopy StringCchCopyW
#define StringCchCat StringCchCatW
#define StringCchCopyN StringCchCopyNW
#define StringCchCatN StringCchCatNW
#define StringCchLength StringCchLengthW
#define StringCchPrintf StringCchPrintfW
#define StringCchVPrintf StringCchVPrintfW
#define StringCbCopy StringCbCopyW
#define StringCbCat StringCbCatW
#define StringCbCopyN StringCbCopyNW
#define StringCbCatN StringCbCatNW
#define StringCbLength StringCbLengthW
#define StringCbPrintf StringCbPrintfW
#define StringCbVPrintf StringCbVPrintfW
#else
#define StringCchCopy StringCchCopyA
#define StringCchCat StringCchCatA
#define StringCchCopyN StringCchCopyNA
#define StringCchCatN StringCchCatNA
#define StringCchLength StringCchLengthA
#define StringCchPrintf StringCchPrintfA
#define StringCchVPrintf StringCchVPrintfA
#define StringCbCopy StringCbCopyA
#define StringCbCat StringCbCatA
#define StringCbCopyN StringCbCopyNA
#define StringCbCatN StringCbCatNA
#define StringCbLength StringCbLengthA
#define StringCbPrintf StringCbPrintfA
#define StringCbVPrintf StringCbVPrintfA
#endif
#endif
