/* Files and directories. Paths may have backslashes and a drive letter, which is ignored. */
#ifndef WSK_FILEAPI_H
#define WSK_FILEAPI_H
#include "minwinbase.h"
#define CREATE_NEW 1
#define CREATE_ALWAYS 2
#define OPEN_EXISTING 3
#define OPEN_ALWAYS 4
#define TRUNCATE_EXISTING 5
#define FILE_FLAG_WRITE_THROUGH 0x80000000U
#define FILE_FLAG_OVERLAPPED 0x40000000
#define FILE_FLAG_NO_BUFFERING 0x20000000
#define FILE_FLAG_RANDOM_ACCESS 0x10000000
#define FILE_FLAG_SEQUENTIAL_SCAN 0x08000000
#define FILE_FLAG_DELETE_ON_CLOSE 0x04000000
#define FILE_FLAG_BACKUP_SEMANTICS 0x02000000
#define FILE_FLAG_POSIX_SEMANTICS 0x01000000
#define FILE_FLAG_OPEN_REPARSE_POINT 0x00200000
#define FILE_BEGIN 0
#define FILE_CURRENT 1
#define FILE_END 2
#define FILE_TYPE_UNKNOWN 0
#define FILE_TYPE_DISK 1
#define FILE_TYPE_CHAR 2
#define FILE_TYPE_PIPE 3
#define FILE_MAP_COPY 0x1
#define FILE_MAP_WRITE 0x2
#define FILE_MAP_READ 0x4
#define FILE_MAP_ALL_ACCESS 0xF001F
#define MOVEFILE_REPLACE_EXISTING 0x1
#define MOVEFILE_COPY_ALLOWED 0x2
#define DRIVE_UNKNOWN 0
#define DRIVE_FIXED 3

typedef struct _WIN32_FIND_DATAA {
    DWORD dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    DWORD nFileSizeHigh, nFileSizeLow, dwReserved0, dwReserved1;
    CHAR cFileName[MAX_PATH];
    CHAR cAlternateFileName[14];
} WIN32_FIND_DATAA, *PWIN32_FIND_DATAA, *LPWIN32_FIND_DATAA;
typedef struct _WIN32_FIND_DATAW {
    DWORD dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    DWORD nFileSizeHigh, nFileSizeLow, dwReserved0, dwReserved1;
    WCHAR cFileName[MAX_PATH];
    WCHAR cAlternateFileName[14];
} WIN32_FIND_DATAW, *PWIN32_FIND_DATAW, *LPWIN32_FIND_DATAW;
#ifdef UNICODE
typedef WIN32_FIND_DATAW WIN32_FIND_DATA, *PWIN32_FIND_DATA, *LPWIN32_FIND_DATA;
#else
typedef WIN32_FIND_DATAA WIN32_FIND_DATA, *PWIN32_FIND_DATA, *LPWIN32_FIND_DATA;
#endif

WSK_BEGIN
HANDLE WINAPI CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition, DWORD flags, HANDLE template_file) WSK(CreateFileA);
HANDLE WINAPI CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition, DWORD flags, HANDLE template_file) WSK(CreateFileW);
BOOL WINAPI ReadFile(HANDLE file, LPVOID buffer, DWORD size, LPDWORD read, LPOVERLAPPED overlapped) WSK(ReadFile);
BOOL WINAPI WriteFile(HANDLE file, LPCVOID buffer, DWORD size, LPDWORD written, LPOVERLAPPED overlapped) WSK(WriteFile);
BOOL WINAPI ReadFileEx(HANDLE file, LPVOID buffer, DWORD size, LPOVERLAPPED overlapped, LPOVERLAPPED_COMPLETION_ROUTINE routine) WSK(ReadFileEx);
BOOL WINAPI WriteFileEx(HANDLE file, LPCVOID buffer, DWORD size, LPOVERLAPPED overlapped, LPOVERLAPPED_COMPLETION_ROUTINE routine) WSK(WriteFileEx);
BOOL WINAPI FlushFileBuffers(HANDLE file) WSK(FlushFileBuffers);
DWORD WINAPI SetFilePointer(HANDLE file, LONG distance, PLONG high, DWORD method) WSK(SetFilePointer);
BOOL WINAPI SetFilePointerEx(HANDLE file, LARGE_INTEGER distance, PLARGE_INTEGER position, DWORD method) WSK(SetFilePointerEx);
BOOL WINAPI SetEndOfFile(HANDLE file) WSK(SetEndOfFile);
DWORD WINAPI GetFileSize(HANDLE file, LPDWORD high) WSK(GetFileSize);
BOOL WINAPI GetFileSizeEx(HANDLE file, PLARGE_INTEGER size) WSK(GetFileSizeEx);
DWORD WINAPI GetFileType(HANDLE file) WSK(GetFileType);
BOOL WINAPI GetFileTime(HANDLE file, LPFILETIME creation, LPFILETIME access, LPFILETIME write) WSK(GetFileTime);
BOOL WINAPI DeleteFileA(LPCSTR name) WSK(DeleteFileA);
BOOL WINAPI DeleteFileW(LPCWSTR name) WSK(DeleteFileW);
BOOL WINAPI MoveFileA(LPCSTR from, LPCSTR to) WSK(MoveFileA);
BOOL WINAPI MoveFileW(LPCWSTR from, LPCWSTR to) WSK(MoveFileW);
BOOL WINAPI MoveFileExA(LPCSTR from, LPCSTR to, DWORD flags) WSK(MoveFileExA);
BOOL WINAPI MoveFileExW(LPCWSTR from, LPCWSTR to, DWORD flags) WSK(MoveFileExW);
BOOL WINAPI CopyFileA(LPCSTR from, LPCSTR to, BOOL fail_if_exists) WSK(CopyFileA);
BOOL WINAPI CopyFileW(LPCWSTR from, LPCWSTR to, BOOL fail_if_exists) WSK(CopyFileW);
BOOL WINAPI CreateDirectoryA(LPCSTR name, LPSECURITY_ATTRIBUTES security) WSK(CreateDirectoryA);
BOOL WINAPI CreateDirectoryW(LPCWSTR name, LPSECURITY_ATTRIBUTES security) WSK(CreateDirectoryW);
BOOL WINAPI RemoveDirectoryA(LPCSTR name) WSK(RemoveDirectoryA);
BOOL WINAPI RemoveDirectoryW(LPCWSTR name) WSK(RemoveDirectoryW);
DWORD WINAPI GetFileAttributesA(LPCSTR name) WSK(GetFileAttributesA);
DWORD WINAPI GetFileAttributesW(LPCWSTR name) WSK(GetFileAttributesW);
BOOL WINAPI SetFileAttributesA(LPCSTR name, DWORD attributes) WSK(SetFileAttributesA);
BOOL WINAPI SetFileAttributesW(LPCWSTR name, DWORD attributes) WSK(SetFileAttributesW);
DWORD WINAPI GetFullPathNameA(LPCSTR name, DWORD size, LPSTR buffer, LPSTR *part) WSK(GetFullPathNameA);
DWORD WINAPI GetFullPathNameW(LPCWSTR name, DWORD size, LPWSTR buffer, LPWSTR *part) WSK(GetFullPathNameW);
DWORD WINAPI GetTempPathA(DWORD size, LPSTR buffer) WSK(GetTempPathA);
DWORD WINAPI GetTempPathW(DWORD size, LPWSTR buffer) WSK(GetTempPathW);
UINT WINAPI GetTempFileNameA(LPCSTR path, LPCSTR prefix, UINT unique, LPSTR name) WSK(GetTempFileNameA);
UINT WINAPI GetTempFileNameW(LPCWSTR path, LPCWSTR prefix, UINT unique, LPWSTR name) WSK(GetTempFileNameW);
HANDLE WINAPI FindFirstFileA(LPCSTR pattern, LPWIN32_FIND_DATAA data) WSK(FindFirstFileA);
HANDLE WINAPI FindFirstFileW(LPCWSTR pattern, LPWIN32_FIND_DATAW data) WSK(FindFirstFileW);
BOOL WINAPI FindNextFileA(HANDLE search, LPWIN32_FIND_DATAA data) WSK(FindNextFileA);
BOOL WINAPI FindNextFileW(HANDLE search, LPWIN32_FIND_DATAW data) WSK(FindNextFileW);
BOOL WINAPI FindClose(HANDLE search) WSK(FindClose);
WSK_END

#ifdef __cplusplus
extern "C++" {
template <class Count>
inline typename wsk_if_unsigned_long<Count, BOOL>::type ReadFile(HANDLE file, LPVOID buffer, DWORD size, Count *read, LPOVERLAPPED overlapped) {
    *read = 0;
    return ReadFile(file, buffer, size, (LPDWORD)read, overlapped);
}
template <class Count>
inline typename wsk_if_unsigned_long<Count, BOOL>::type WriteFile(HANDLE file, LPCVOID buffer, DWORD size, Count *written, LPOVERLAPPED overlapped) {
    *written = 0;
    return WriteFile(file, buffer, size, (LPDWORD)written, overlapped);
}
}
#endif

#ifdef UNICODE
#define CreateFile CreateFileW
#define DeleteFile DeleteFileW
#define MoveFile MoveFileW
#define MoveFileEx MoveFileExW
#define CopyFile CopyFileW
#define CreateDirectory CreateDirectoryW
#define RemoveDirectory RemoveDirectoryW
#define GetFileAttributes GetFileAttributesW
#define SetFileAttributes SetFileAttributesW
#define GetFullPathName GetFullPathNameW
#define GetTempPath GetTempPathW
#define GetTempFileName GetTempFileNameW
#define FindFirstFile FindFirstFileW
#define FindNextFile FindNextFileW
#else
#define CreateFile CreateFileA
#define DeleteFile DeleteFileA
#define MoveFile MoveFileA
#define MoveFileEx MoveFileExA
#define CopyFile CopyFileA
#define CreateDirectory CreateDirectoryA
#define RemoveDirectory RemoveDirectoryA
#define GetFileAttributes GetFileAttributesA
#define SetFileAttributes SetFileAttributesA
#define GetFullPathName GetFullPathNameA
#define GetTempPath GetTempPathA
#define GetTempFileName GetTempFileNameA
#define FindFirstFile FindFirstFileA
#define FindNextFile FindNextFileA
#endif
#endif
