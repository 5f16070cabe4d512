/* Files: dispositions, positions, errors, overlapped reads with events and a port. */
#include "check.h"

static char path[MAX_PATH];

static HANDLE open_file(DWORD access, DWORD share, DWORD disposition, DWORD flags) {
    return CreateFileA(path, access, share, NULL, disposition, FILE_ATTRIBUTE_NORMAL | flags, NULL);
}

int main(void) {
    HANDLE file, other, port;
    OVERLAPPED block, *out = NULL;
    LARGE_INTEGER size;
    ULONG_PTR key = 0;
    DWORD count = 0, code;
    char text[32];
    BOOL outcome;
    begin();
    sprintf(path, "winsock-file-%lu.tmp", (unsigned long)GetCurrentProcessId());
    MAKES("OPEN_EXISTING of nothing", open_file(GENERIC_READ, 0, OPEN_EXISTING, 0));
    SetLastError(7);
    file = open_file(GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, CREATE_NEW, 0);
    yes("CREATE_NEW", file != INVALID_HANDLE_VALUE);
    TRUTH("WriteFile", WriteFile(file, "0123456789", 10, &count, NULL));
    show("count", (int)count);
    show("SetFilePointer", (int)SetFilePointer(file, 4, NULL, FILE_BEGIN));
    TRUTH("ReadFile", ReadFile(file, text, 3, &count, NULL));
    show_bytes("data", text, (int)count);
    show("position", (int)SetFilePointer(file, 0, NULL, FILE_CURRENT));
    show("from the end", (int)SetFilePointer(file, -2, NULL, FILE_END));
    TRUTH("ReadFile to the end", ReadFile(file, text, 30, &count, NULL));
    show("count", (int)count);
    TRUTH("ReadFile at the end", ReadFile(file, text, 30, &count, NULL));
    show("count", (int)count);
    TRUTH("GetFileSizeEx", GetFileSizeEx(file, &size));
    show("size", (int)size.QuadPart);
    show("GetFileSize", (int)GetFileSize(file, NULL));
    SetFilePointer(file, 6, NULL, FILE_BEGIN);
    TRUTH("SetEndOfFile", SetEndOfFile(file));
    show("size", (int)GetFileSize(file, NULL));
    TRUTH("FlushFileBuffers", FlushFileBuffers(file));
    TRUTH("CloseHandle", CloseHandle(file));
    MAKES("CREATE_NEW of a file that is there", open_file(GENERIC_READ, 0, CREATE_NEW, 0));
    SetLastError(7);
    file = open_file(GENERIC_READ, FILE_SHARE_READ, OPEN_ALWAYS, 0);
    show_error("OPEN_ALWAYS of a file that is there", GetLastError());
    TRUTH("WriteFile on a file to read", WriteFile(file, "x", 1, &count, NULL));
    CloseHandle(file);
    SetLastError(7);
    file = open_file(GENERIC_WRITE, 0, CREATE_ALWAYS, 0);
    show_error("CREATE_ALWAYS of a file that is there", GetLastError());
    show("size", (int)GetFileSize(file, NULL));
    WriteFile(file, "overlapped", 10, &count, NULL);
    CloseHandle(file);

    file = open_file(GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
    memset(&block, 0, sizeof block);
    block.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    block.Offset = 4;
    outcome = ReadFile(file, text, 6, NULL, &block);
    code = GetLastError();
    yes("overlapped ReadFile", outcome || code == ERROR_IO_PENDING);
    TRUTH("GetOverlappedResult", GetOverlappedResult(file, &block, &count, TRUE));
    show_bytes("data", text, (int)count);
    show_hex("Internal", block.Internal);
    block.Offset = 100;
    outcome = ReadFile(file, text, 6, NULL, &block);
    code = GetLastError();
    if (!outcome && code == ERROR_IO_PENDING) {
        outcome = GetOverlappedResult(file, &block, &count, TRUE);
        code = GetLastError();
    }
    show_call("behind the end", !outcome, outcome, code);
    port = CreateIoCompletionPort(file, NULL, 9, 0);
    yes("a file on a port", port != NULL);
    block.Offset = 0;
    ResetEvent(block.hEvent);
    ReadFile(file, text, 4, NULL, &block);
    TRUTH("its packet", GetQueuedCompletionStatus(port, &count, &key, &out, LONG_WAIT));
    show("count", (int)count);
    show("key", (int)key);
    CloseHandle(block.hEvent);
    CloseHandle(port);
    CloseHandle(file);
    other = open_file(GENERIC_READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    CloseHandle(other);
    show_hex("GetFileAttributes", GetFileAttributesA(path) & FILE_ATTRIBUTE_DIRECTORY);
    TRUTH("DeleteFile", DeleteFileA(path));
    TRUTH("DeleteFile twice", DeleteFileA(path));
    show_hex("GetFileAttributes", GetFileAttributesA(path));
    TRUTH("ReadFile of a closed file", ReadFile(file, text, 1, &count, NULL));
    strcat(path, ".dir");
    TRUTH("CreateDirectory", CreateDirectoryA(path, NULL));
    TRUTH("CreateDirectory twice", CreateDirectoryA(path, NULL));
    show_hex("its attributes", GetFileAttributesA(path) & FILE_ATTRIBUTE_DIRECTORY);
    TRUTH("RemoveDirectory", RemoveDirectoryA(path));
    return 0;
}
