/* The base calls of Windows that programs with sockets use. */
#ifndef _WINDOWS_
#define _WINDOWS_
#define _INC_WINDOWS
#include "wsk/compiler.h"
#include "wsk/crt.h"
#include "winerror.h"
#include "minwinbase.h"
#include "guiddef.h"
#include "handleapi.h"
#include "interlockedapi.h"
#include "synchapi.h"
#include "processthreadsapi.h"
#include "ioapiset.h"
#include "threadpoolapiset.h"
#include "errhandlingapi.h"
#include "debugapi.h"
#include "fileapi.h"
#include "memoryapi.h"
#include "sysinfoapi.h"
#include "libloaderapi.h"
#include "processenv.h"
#include "wincon.h"
#include "winnls.h"
#include "winuser.h"
#include "winbase.h"
#ifndef WIN32_LEAN_AND_MEAN
#include "mmsystem.h"
#ifndef WSK_NO_BYTE
typedef unsigned char byte;
#endif
#ifndef _WINSOCKAPI_
#include "winsock2.h"
#endif
#endif
#endif
