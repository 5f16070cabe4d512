/* What programs ask about the system, modules and the environment. */
#include "check.h"

static BOOL WINAPI handler(DWORD kind) {
    (void)kind;
    return TRUE;
}

static LONG WINAPI filter(EXCEPTION_POINTERS *pointers) {
    (void)pointers;
    return EXCEPTION_CONTINUE_SEARCH;
}

int main(void) {
    char text[MAX_PATH], *end;
    HMODULE module;
    HANDLE output;
    DWORD length, mode = 0;
    OSVERSIONINFOA version;
    MEMORYSTATUSEX memory;
    begin();
    length = GetModuleFileNameA(NULL, text, sizeof text);
    yes("GetModuleFileName", length > 0 && strlen(text) == length);
    end = strrchr(text, '/');
    if (!end || strrchr(text, '\\') > end) end = strrchr(text, '\\');
    yes("names a file in a folder", end != NULL && strstr(end, "system") != NULL);
    yes("GetModuleHandle(NULL)", GetModuleHandleA(NULL) != NULL);
    yes("GetCurrentProcess", GetCurrentProcess() == (HANDLE)(LONG_PTR)-1);
    yes("GetCurrentThread", GetCurrentThread() == (HANDLE)(LONG_PTR)-2);
    yes("GetCurrentProcessId", GetCurrentProcessId() != 0);
    module = LoadLibraryA("ws2_32.dll");
    yes("LoadLibrary", module != NULL);
    yes("GetProcAddress", GetProcAddress(module, "WSAStartup") != NULL);
    TRUTH("GetProcAddress of nothing", GetProcAddress(module, "NoSuchFunction"));
    TRUTH("FreeLibrary", FreeLibrary(module));
    TRUTH("LoadLibrary of nothing", LoadLibraryA("no-such-library.dll"));
    module = LoadLibraryA("mswsock.dll");
    yes("AcceptEx of mswsock.dll", module && GetProcAddress(module, "AcceptEx") != NULL);
    output = GetStdHandle(STD_OUTPUT_HANDLE);
    yes("GetStdHandle", output != NULL && output != INVALID_HANDLE_VALUE);
    TRUTH("GetStdHandle of a wrong number", GetStdHandle((DWORD)-99) != INVALID_HANDLE_VALUE);
    TRUTH("SetConsoleTextAttribute on what is no console", SetConsoleTextAttribute(output, FOREGROUND_GREEN));
    TRUTH("GetConsoleMode on what is no console", GetConsoleMode(output, &mode));
    TRUTH("WriteFile to the output", WriteFile(output, "written\n", 8, &length, NULL));
    show("count", (int)length);
    TRUTH("SetConsoleCtrlHandler", SetConsoleCtrlHandler(handler, TRUE));
    TRUTH("removed", SetConsoleCtrlHandler(handler, FALSE));
    TRUTH("removed twice", SetConsoleCtrlHandler(handler, FALSE));
    TRUTH("SetEnvironmentVariable", SetEnvironmentVariableA("WINSOCK_CASE", "value"));
    show("GetEnvironmentVariable", (int)GetEnvironmentVariableA("WINSOCK_CASE", text, sizeof text));
    show_text("its value", text);
    show("with little room", (int)GetEnvironmentVariableA("WINSOCK_CASE", text, 2));
    SetEnvironmentVariableA("WINSOCK_CASE", NULL);
    TRUTH("after its removal", GetEnvironmentVariableA("WINSOCK_CASE", text, sizeof text));
    yes("GetCurrentDirectory", GetCurrentDirectoryA(sizeof text, text) > 0);
    length = sizeof text;
    yes("GetComputerName", GetComputerNameA(text, &length) && strlen(text) == length);
    memset(&version, 0, sizeof version);
    version.dwOSVersionInfoSize = sizeof version;
    TRUTH("GetVersionEx", GetVersionExA(&version));
    yes("6.1 or later", version.dwMajorVersion > 6 || (version.dwMajorVersion == 6 && version.dwMinorVersion >= 1));
    memory.dwLength = sizeof memory;
    TRUTH("GlobalMemoryStatusEx", GlobalMemoryStatusEx(&memory));
    yes("some memory", memory.ullTotalPhys > 0 && memory.ullAvailPhys <= memory.ullTotalPhys);
    yes("IsDebuggerPresent", IsDebuggerPresent() != 0);
    OutputDebugStringA("to a debugger\n");
    yes("SetUnhandledExceptionFilter", (SetUnhandledExceptionFilter(filter), SetUnhandledExceptionFilter(NULL) == filter));
    show("GetExitCodeProcess", (int)(GetExitCodeProcess(GetCurrentProcess(), &length) ? length : 0));
    show_wait("this process runs", WaitForSingleObject(GetCurrentProcess(), 0));
    return 0;
}
