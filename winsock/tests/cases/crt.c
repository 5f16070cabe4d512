/* What MSVC's C library adds: the safe calls, other names, printf's sizes. (traps 53, 55) */
#include "check.h"
#include <errno.h>
#include <stdint.h>
#include <tchar.h>

int main(void) {
    char text[16], small[4] = "abc", drive[8], dir[64], name[64], extension[16];
    FILE *file = NULL;
    char *copy;
    size_t count = 0;
    show("strcpy_s", strcpy_s(text, sizeof text, "hello"));
    show("strcat_s", strcat_s(text, sizeof text, " you"));
    show_text("text", text);
    show("strncpy_s", strncpy_s(text, sizeof text, "abcdef", 3));
    show_text("text", text);
    show("strncpy_s that truncates", strncpy_s(small, sizeof small, "abcdef", _TRUNCATE));
    show_text("text", small);
    show("sprintf_s", sprintf_s(text, sizeof text, "%d-%s", 7, "x"));
    show_text("text", text);
    show("_snprintf_s that truncates", _snprintf_s(small, sizeof small, _TRUNCATE, "%d", 123456));
    show_text("text", small);
    show("_snprintf", _snprintf(text, sizeof text, "%s", "abc"));
    show("_snprintf without room for the end", _snprintf(small, 3, "%s", "abc"));
    show("_snprintf that is too long", _snprintf(small, 3, "%s", "abcdef"));
    sprintf(text, "%I64d", (__int64)1 << 40);
    show_text("%I64d", text);
    sprintf(text, "%I64x", (unsigned __int64)0xabcdef0123ULL);
    show_text("%I64x", text);
    sprintf(text, "%Iu", (size_t)12345);
    show_text("%Iu", text);
    sprintf(text, "%I32d", -5);
    show_text("%I32d", text);
    sprintf(text, "%S", L"wide");
    show_text("%S", text);
    show("memcpy_s", memcpy_s(text, sizeof text, "copied", 7));
    show_text("text", text);
    copy = _strdup("duplicate");
    show_text("_strdup", copy);
    free(copy);
    yes("_stricmp", _stricmp("HeLLo", "hEllO") == 0);
    yes("_strnicmp", _strnicmp("ABCx", "abcy", 3) == 0);
    yes("_wcsicmp", _wcsicmp(L"ABC", L"abc") == 0);
    show_text("_itoa", _itoa(-255, text, 10));
    show_text("_itoa of base 16", _itoa(255, text, 16));
    show_text("_i64toa", _i64toa(1234567890123LL, text, 10));
    show_text("_strupr", _strupr(strcpy(text, "Upper")));
    show_text("_strlwr", _strlwr(strcpy(text, "LOWER")));
    yes("_atoi64", _atoi64("9876543210") == 9876543210LL);
    _splitpath("/folder/deep/name.ext", drive, dir, name, extension);
    show_text("_splitpath: drive", drive);
    show_text("folder", dir);
    show_text("name", name);
    show_text("extension", extension);
    show("fopen_s of nothing", fopen_s(&file, "no-such-folder/no-such-file", "r"));
    yes("no file", file == NULL);
    show("RAND_MAX", RAND_MAX);
    srand(1);
    show("first rand", rand());
    show("second rand", rand());
    srand(42);
    show("rand after srand(42)", rand());
    show("_countof", (int)_countof(text));
    show("sscanf_s", sscanf_s("12 word", "%d %s", (int *)&count, text, (unsigned)sizeof text));
    show("number", (int)count);
    show_text("word", text);
    show("min", min(3, 4));
    show("max", max(3, 4));
    show_hex("_rotl", _rotl(0x80000001u, 1));
    show_hex("_byteswap_ulong", _byteswap_ulong(0x11223344));
    return 0;
}
