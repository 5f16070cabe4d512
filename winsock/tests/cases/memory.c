/* Heaps, pages, the old allocators, and the macros for bytes. */
#include "check.h"

static int zeroes(const void *bytes, size_t count) {
    const char *it = (const char *)bytes;
    while (count--)
        if (*it++) return 0;
    return 1;
}

int main(void) {
    HANDLE heap = GetProcessHeap(), own;
    char *bytes, *more, text[8] = "abcdefg";
    SYSTEM_INFO system;
    DWORD before = 0;
    HLOCAL local;
    HGLOBAL global;
    begin();
    yes("GetProcessHeap", heap != NULL);
    bytes = (char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 1000);
    yes("HeapAlloc", bytes != NULL);
    yes("is zero", zeroes(bytes, 1000));
    show("HeapSize", (int)HeapSize(heap, 0, bytes));
    strcpy(bytes, "kept");
    more = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, bytes, 5000);
    yes("HeapReAlloc", more != NULL);
    show_text("its beginning", more);
    yes("its end is zero", zeroes(more + 1000, 4000));
    TRUTH("HeapFree", HeapFree(heap, 0, more));
    TRUTH("HeapFree of NULL", HeapFree(heap, 0, NULL));
    own = HeapCreate(0, 0, 0);
    yes("HeapCreate", own != NULL);
    bytes = (char *)HeapAlloc(own, 0, 10);
    show("HeapSize", (int)HeapSize(own, 0, bytes));
    TRUTH("HeapDestroy", HeapDestroy(own));
    GetSystemInfo(&system);
    show("page size", (int)system.dwPageSize);
    show("allocation granularity", (int)system.dwAllocationGranularity);
    yes("processors", system.dwNumberOfProcessors > 0);
    bytes = (char *)VirtualAlloc(NULL, 10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    yes("VirtualAlloc", bytes != NULL);
    yes("begins a page", ((ULONG_PTR)bytes & 4095) == 0);
    yes("is zero", zeroes(bytes, 12288));
    TRUTH("VirtualProtect", VirtualProtect(bytes, 4096, PAGE_READONLY, &before));
    show_hex("before", before);
    TRUTH("VirtualFree with a size and MEM_RELEASE", VirtualFree(bytes, 4096, MEM_RELEASE));
    TRUTH("VirtualFree", VirtualFree(bytes, 0, MEM_RELEASE));
    local = LocalAlloc(LPTR, 50);
    yes("LocalAlloc", local != NULL && zeroes(local, 50));
    yes("LocalFree", LocalFree(local) == NULL);
    yes("LocalFree of NULL", LocalFree(NULL) == NULL);
    global = GlobalAlloc(GPTR, 50);
    yes("GlobalAlloc", global != NULL && zeroes(global, 50));
    yes("GlobalFree", GlobalFree(global) == NULL);
    ZeroMemory(text, 3);
    yes("ZeroMemory", zeroes(text, 3) && text[3] == 'd');
    FillMemory(text, 4, 'x');
    CopyMemory(text + 4, "yz", 3);
    show_text("FillMemory and CopyMemory", text);
    MoveMemory(text + 1, text, 6);
    show_text("MoveMemory", text);
    SecureZeroMemory(text, sizeof text);
    yes("SecureZeroMemory", zeroes(text, sizeof text));
    return 0;
}
