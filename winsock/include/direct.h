/* Folders. */
#ifndef WSK_DIRECT_H
#define WSK_DIRECT_H
#include "wsk/crt.h"
#include <sys/stat.h>
#include <unistd.h>
#define _getcwd getcwd
#define _chdir chdir
#define _rmdir rmdir
#define _mkdir(path) mkdir((path), 0777)
WSK_BEGIN
int _wmkdir(const wchar_t *path) WSK(_wmkdir);
int _wchdir(const wchar_t *path) WSK(_wchdir);
WSK_END
#endif
