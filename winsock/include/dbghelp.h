/* Symbols and stacks: the types, and a look-up of names through the dynamic linker. */
#ifndef WSK_DBGHELP_H
#define WSK_DBGHELP_H
#include "minidumpapiset.h"
#define SYMOPT_CASE_INSENSITIVE 0x1
#define SYMOPT_UNDNAME 0x2
#define SYMOPT_DEFERRED_LOADS 0x4
#define SYMOPT_LOAD_LINES 0x10
#define SYMOPT_FAIL_CRITICAL_ERRORS 0x200
#define UNDNAME_COMPLETE 0x0
#define UNDNAME_NAME_ONLY 0x1000
#define MAX_SYM_NAME 2000
#define IMAGE_FILE_MACHINE_I386 0x014c
#define IMAGE_FILE_MACHINE_AMD64 0x8664
#define IMAGE_FILE_MACHINE_IA64 0x0200
#define API_VERSION_NUMBER 12
typedef enum { AddrMode1616, AddrMode1632, AddrModeReal, AddrModeFlat } ADDRESS_MODE;
typedef enum { SymNone, SymCoff, SymCv, SymPdb, SymExport, SymDeferred, SymSym, SymDia, SymVirtual, NumSymTypes } SYM_TYPE;
typedef struct _tagADDRESS64 { DWORD64 Offset; WORD Segment; ADDRESS_MODE Mode; } ADDRESS64, *LPADDRESS64;
typedef struct _KDHELP64 {
    DWORD64 Thread;
    DWORD ThCallbackStack, ThCallbackBStore, NextCallback, FramePointer;
    DWORD64 KiCallUserMode, KeUserCallbackDispatcher, SystemRangeStart, KiUserExceptionDispatcher, StackBase, StackLimit, Reserved[5];
} KDHELP64, *PKDHELP64;
typedef struct _tagSTACKFRAME64 {
    ADDRESS64 AddrPC, AddrReturn, AddrFrame, AddrStack, AddrBStore;
    PVOID FuncTableEntry;
    DWORD64 Params[4];
    BOOL Far, Virtual;
    DWORD64 Reserved[3];
    KDHELP64 KdHelp;
} STACKFRAME64, *LPSTACKFRAME64;
typedef struct _IMAGEHLP_LINE64 { DWORD SizeOfStruct; PVOID Key; DWORD LineNumber; PCHAR FileName; DWORD64 Address; } IMAGEHLP_LINE64, *PIMAGEHLP_LINE64;
typedef struct _IMAGEHLP_SYMBOL64 { DWORD SizeOfStruct; DWORD64 Address; DWORD Size, Flags, MaxNameLength; CHAR Name[1]; } IMAGEHLP_SYMBOL64, *PIMAGEHLP_SYMBOL64;
typedef struct _IMAGEHLP_MODULE64 {
    DWORD SizeOfStruct;
    DWORD64 BaseOfImage;
    DWORD ImageSize, TimeDateStamp, CheckSum, NumSyms;
    SYM_TYPE SymType;
    CHAR ModuleName[32], ImageName[256], LoadedImageName[256];
} IMAGEHLP_MODULE64, *PIMAGEHLP_MODULE64;
typedef struct _SYMBOL_INFO {
    ULONG SizeOfStruct, TypeIndex;
    ULONG64 Reserved[2];
    ULONG Index, Size;
    ULONG64 ModBase;
    ULONG Flags;
    ULONG64 Value, Address;
    ULONG Register, Scope, Tag, NameLen, MaxNameLen;
    CHAR Name[1];
} SYMBOL_INFO, *PSYMBOL_INFO;
typedef BOOL (CALLBACK *PREAD_PROCESS_MEMORY_ROUTINE64)(HANDLE process, DWORD64 address, PVOID buffer, DWORD size, LPDWORD read);
typedef PVOID (CALLBACK *PFUNCTION_TABLE_ACCESS_ROUTINE64)(HANDLE process, DWORD64 address);
typedef DWORD64 (CALLBACK *PGET_MODULE_BASE_ROUTINE64)(HANDLE process, DWORD64 address);
typedef DWORD64 (CALLBACK *PTRANSLATE_ADDRESS_ROUTINE64)(HANDLE process, HANDLE thread, LPADDRESS64 address);
WSK_BEGIN
BOOL WINAPI SymInitialize(HANDLE process, PCSTR path, BOOL invade) WSK(SymInitialize);
BOOL WINAPI SymCleanup(HANDLE process) WSK(SymCleanup);
DWORD WINAPI SymSetOptions(DWORD options) WSK(SymSetOptions);
DWORD WINAPI SymGetOptions(VOID) WSK(SymGetOptions);
BOOL WINAPI SymFromAddr(HANDLE process, DWORD64 address, DWORD64 *displacement, PSYMBOL_INFO symbol) WSK(SymFromAddr);
BOOL WINAPI SymGetLineFromAddr64(HANDLE process, DWORD64 address, PDWORD displacement, PIMAGEHLP_LINE64 line) WSK(SymGetLineFromAddr64);
USHORT WINAPI RtlCaptureStackBackTrace(ULONG skip, ULONG count, PVOID *frames, PULONG hash) WSK(RtlCaptureStackBackTrace);
WSK_END
#define CaptureStackBackTrace RtlCaptureStackBackTrace
#endif
