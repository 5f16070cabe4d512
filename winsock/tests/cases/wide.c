/* Wide characters: printf's meaning of %s, conversions, lengths. (trap 53) */
#define STRSAFE_NO_DEPRECATE
#include "check.h"
#include <wchar.h>
#include <strsafe.h>

static void show_wide(const char *what, const WCHAR *text) {
    char narrow[128];
    WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, sizeof narrow, NULL, NULL);
    show_text(what, narrow);
}

int main(void) {
    WCHAR wide[64], tiny[4];
    char narrow[64];
    int number = 0;
    begin();
    show("swprintf_s", swprintf_s(wide, 64, L"%s|%S|%d|%hs|%ls", L"wide", "narrow", 5, "h", L"l"));
    show_wide("text", wide);
    show("_snwprintf", _snwprintf(wide, 64, L"%c%C", L'w', 'n'));
    show_wide("text", wide);
    show("sprintf of both", sprintf(narrow, "%s|%S|%ls|%hs", "narrow", L"wide", L"long", "short"));
    show_text("text", narrow);
    show("wcscpy_s", wcscpy_s(wide, 64, L"copied"));
    show("wcscat_s", wcscat_s(wide, 64, L" and more"));
    show_wide("text", wide);
    show("wcslen", (int)wcslen(wide));
    show("lstrlenW", lstrlenW(wide));
    show("lstrlenA", lstrlenA("four"));
    show("lstrlenA of NULL", lstrlenA(NULL));
    show("swscanf", swscanf(L"77 word", L"%d %ls", &number, wide));
    show("number", number);
    show_wide("word", wide);
    show("wsprintfA", wsprintfA(narrow, "%d %s %x %05u", -3, "text", 255, 42));
    show_text("text", narrow);
    show("wsprintfW", wsprintfW(wide, L"%s %ld", L"wide", 9L));
    show_wide("text", wide);
    show("MultiByteToWideChar", MultiByteToWideChar(CP_UTF8, 0, "h\xc3\xa9llo", -1, wide, 64));
    show_hex("second character", wide[1]);
    show("the room it needs", MultiByteToWideChar(CP_UTF8, 0, "abc", -1, NULL, 0));
    show("without the end", MultiByteToWideChar(CP_UTF8, 0, "abc", 3, wide, 64));
    TRUTH("too little room", MultiByteToWideChar(CP_UTF8, 0, "abcdef", -1, tiny, 4));
    TRUTH("a wrong byte", MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, "a\xff", -1, wide, 64));
    show("WideCharToMultiByte", WideCharToMultiByte(CP_UTF8, 0, L"\x3b1\x3b2", -1, narrow, sizeof narrow, NULL, NULL));
    show_hex("first byte", (unsigned char)narrow[0]);
    show("949 to wide", MultiByteToWideChar(949, 0, "\xc7\xd1\xb1\xdb", -1, wide, 64));
    show_hex("first character", wide[0]);
    show_hex("second character", wide[1]);
    show("wide to 949", WideCharToMultiByte(949, 0, wide, -1, narrow, sizeof narrow, NULL, NULL));
    show_hex("first byte", (unsigned char)narrow[0]);
    show_hex("StringCbCopyA", (unsigned)StringCbCopyA(narrow, sizeof narrow, "string"));
    show_text("text", narrow);
    show_hex("StringCchPrintfA", (unsigned)StringCchPrintfA(narrow, 64, "%d %s", 5, "five"));
    show_text("text", narrow);
    show_hex("StringCchCopyA without room", (unsigned)StringCchCopyA(narrow, 4, "too long"));
    show_text("what fits", narrow);
    show_hex("StringCchCatW", (unsigned)(StringCchCopyW(wide, 64, L"one "), StringCchCatW(wide, 64, L"two")));
    show_wide("text", wide);
    show("wcstombs", (int)wcstombs(narrow, L"ascii", sizeof narrow));
    show_wide("_wcsdup", _wcsdup(L"again"));
    show("_wtoi", _wtoi(L"314"));
    show_text("CharUpperA", CharUpperA(strcpy(narrow, "upper")));
    return 0;
}
