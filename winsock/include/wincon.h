/* The console: a terminal, driven by ANSI sequences when it is one. */
#ifndef WSK_WINCON_H
#define WSK_WINCON_H
#include "minwinbase.h"
typedef struct _COORD { SHORT X, Y; } COORD, *PCOORD;
typedef struct _SMALL_RECT { SHORT Left, Top, Right, Bottom; } SMALL_RECT, *PSMALL_RECT;
typedef struct _CONSOLE_SCREEN_BUFFER_INFO {
    COORD dwSize, dwCursorPosition;
    WORD wAttributes;
    SMALL_RECT srWindow;
    COORD dwMaximumWindowSize;
} CONSOLE_SCREEN_BUFFER_INFO, *PCONSOLE_SCREEN_BUFFER_INFO;
typedef struct _CONSOLE_CURSOR_INFO { DWORD dwSize; BOOL bVisible; } CONSOLE_CURSOR_INFO, *PCONSOLE_CURSOR_INFO;
typedef BOOL (WINAPI *PHANDLER_ROUTINE)(DWORD event);

#define CTRL_C_EVENT 0
#define CTRL_BREAK_EVENT 1
#define CTRL_CLOSE_EVENT 2
#define CTRL_LOGOFF_EVENT 5
#define CTRL_SHUTDOWN_EVENT 6
#define FOREGROUND_BLUE 0x0001
#define FOREGROUND_GREEN 0x0002
#define FOREGROUND_RED 0x0004
#define FOREGROUND_INTENSITY 0x0008
#define BACKGROUND_BLUE 0x0010
#define BACKGROUND_GREEN 0x0020
#define BACKGROUND_RED 0x0040
#define BACKGROUND_INTENSITY 0x0080
#define ENABLE_PROCESSED_INPUT 0x0001
#define ENABLE_LINE_INPUT 0x0002
#define ENABLE_ECHO_INPUT 0x0004
#define ENABLE_WINDOW_INPUT 0x0008
#define ENABLE_MOUSE_INPUT 0x0010
#define ENABLE_INSERT_MODE 0x0020
#define ENABLE_QUICK_EDIT_MODE 0x0040
#define ENABLE_EXTENDED_FLAGS 0x0080
#define ENABLE_VIRTUAL_TERMINAL_INPUT 0x0200
#define ENABLE_PROCESSED_OUTPUT 0x0001
#define ENABLE_WRAP_AT_EOL_OUTPUT 0x0002
#define ENABLE_VIRTUAL_TERMINAL_PROCESSING 0x0004
#define DISABLE_NEWLINE_AUTO_RETURN 0x0008

WSK_BEGIN
BOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE handler, BOOL add) WSK(SetConsoleCtrlHandler);
BOOL WINAPI GenerateConsoleCtrlEvent(DWORD event, DWORD group) WSK(GenerateConsoleCtrlEvent);
BOOL WINAPI AllocConsole(VOID) WSK(AllocConsole);
BOOL WINAPI FreeConsole(VOID) WSK(FreeConsole);
HWND WINAPI GetConsoleWindow(VOID) WSK(GetConsoleWindow);
BOOL WINAPI GetConsoleMode(HANDLE console, LPDWORD mode) WSK(GetConsoleMode);
BOOL WINAPI SetConsoleMode(HANDLE console, DWORD mode) WSK(SetConsoleMode);
UINT WINAPI GetConsoleCP(VOID) WSK(GetConsoleCP);
UINT WINAPI GetConsoleOutputCP(VOID) WSK(GetConsoleOutputCP);
BOOL WINAPI SetConsoleCP(UINT code_page) WSK(SetConsoleCP);
BOOL WINAPI SetConsoleOutputCP(UINT code_page) WSK(SetConsoleOutputCP);
BOOL WINAPI SetConsoleTextAttribute(HANDLE console, WORD attributes) WSK(SetConsoleTextAttribute);
BOOL WINAPI GetConsoleScreenBufferInfo(HANDLE console, PCONSOLE_SCREEN_BUFFER_INFO information) WSK(GetConsoleScreenBufferInfo);
BOOL WINAPI SetConsoleScreenBufferSize(HANDLE console, COORD size) WSK(SetConsoleScreenBufferSize);
BOOL WINAPI SetConsoleCursorPosition(HANDLE console, COORD position) WSK(SetConsoleCursorPosition);
BOOL WINAPI GetConsoleCursorInfo(HANDLE console, PCONSOLE_CURSOR_INFO information) WSK(GetConsoleCursorInfo);
BOOL WINAPI SetConsoleCursorInfo(HANDLE console, const CONSOLE_CURSOR_INFO *information) WSK(SetConsoleCursorInfo);
BOOL WINAPI SetConsoleWindowInfo(HANDLE console, BOOL absolute, const SMALL_RECT *window) WSK(SetConsoleWindowInfo);
BOOL WINAPI FillConsoleOutputCharacterA(HANDLE console, CHAR character, DWORD length, COORD position, LPDWORD written) WSK(FillConsoleOutputCharacterA);
BOOL WINAPI FillConsoleOutputCharacterW(HANDLE console, WCHAR character, DWORD length, COORD position, LPDWORD written) WSK(FillConsoleOutputCharacterW);
BOOL WINAPI FillConsoleOutputAttribute(HANDLE console, WORD attribute, DWORD length, COORD position, LPDWORD written) WSK(FillConsoleOutputAttribute);
BOOL WINAPI WriteConsoleA(HANDLE console, const VOID *text, DWORD length, LPDWORD written, LPVOID reserved) WSK(WriteConsoleA);
BOOL WINAPI WriteConsoleW(HANDLE console, const VOID *text, DWORD length, LPDWORD written, LPVOID reserved) WSK(WriteConsoleW);
BOOL WINAPI ReadConsoleA(HANDLE console, LPVOID buffer, DWORD length, LPDWORD read, LPVOID control) WSK(ReadConsoleA);
BOOL WINAPI ReadConsoleW(HANDLE console, LPVOID buffer, DWORD length, LPDWORD read, LPVOID control) WSK(ReadConsoleW);
BOOL WINAPI SetConsoleTitleA(LPCSTR title) WSK(SetConsoleTitleA);
BOOL WINAPI SetConsoleTitleW(LPCWSTR title) WSK(SetConsoleTitleW);
DWORD WINAPI GetConsoleTitleA(LPSTR title, DWORD size) WSK(GetConsoleTitleA);
DWORD WINAPI GetConsoleTitleW(LPWSTR title, DWORD size) WSK(GetConsoleTitleW);
BOOL WINAPI FlushConsoleInputBuffer(HANDLE console) WSK(FlushConsoleInputBuffer);
WSK_END

#ifdef UNICODE
#define FillConsoleOutputCharacter FillConsoleOutputCharacterW
#define WriteConsole WriteConsoleW
#define ReadConsole ReadConsoleW
#define SetConsoleTitle SetConsoleTitleW
#define GetConsoleTitle GetConsoleTitleW
#else
#define FillConsoleOutputCharacter FillConsoleOutputCharacterA
#define WriteConsole WriteConsoleA
#define ReadConsole ReadConsoleA
#define SetConsoleTitle SetConsoleTitleA
#define GetConsoleTitle GetConsoleTitleA
#endif
#endif
