/* Folders. */
#ifndef WSK_DIRECT_H
#define WSK_DIRECT_H
#include "wsk/crt.h"
#include <sys/stat.h>
#include <unistd.h>
#define _getcwd getcwd
#define _chdir chdir
#define _rmdir rmdir
#define _mkdir(path) (mkdir)((path), 0777)
WSK_BEGIN
int _wmkdir(const wchar_t *path) WSK(_wmkdir);
int _wchdir(const wchar_t *path) WSK(_wchdir);
WSK_END
/* The old name has no mode. In C++ an overload: mkdir may be a member of a class, too. */
#ifdef __cplusplus
extern "C++" inline int mkdir(const char *path) { return mkdir(path, 0777); }
#else
#define WSK_MKDIR(path, mode, ...) (mkdir)((path), (mode))
#define mkdir(...) WSK_MKDIR(__VA_ARGS__, 0777, 0)
#endif
#endif
