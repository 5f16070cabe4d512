/* Files by descriptor. */
#ifndef WSK_IO_H
#define WSK_IO_H
#include "wsk/crt.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define _access access
#define _open open
#define _close close
#define _read read
#define _write write
#define _lseek lseek
#define _lseeki64 lseek
#define _unlink unlink
#define _isatty isatty
#define _dup dup
#define _dup2 dup2
#define _chmod chmod
#define _commit fsync
#define _tell(descriptor) lseek((descriptor), 0, SEEK_CUR)
#define _O_RDONLY O_RDONLY
#define _O_WRONLY O_WRONLY
#define _O_RDWR O_RDWR
#define _O_APPEND O_APPEND
#define _O_CREAT O_CREAT
#define _O_TRUNC O_TRUNC
#define _O_EXCL O_EXCL
#ifndef O_BINARY
#define O_BINARY 0
#define O_TEXT 0
#endif
#define _S_IREAD S_IRUSR
#define _S_IWRITE S_IWUSR
#define _stat stat
#define _fstat fstat
#define _stat64 stat
WSK_BEGIN
int _waccess(const wchar_t *path, int mode) WSK(_waccess);
WSK_END
#endif
