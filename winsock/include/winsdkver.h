#ifndef WSK_WINSDKVER_H
#define WSK_WINSDKVER_H
#define _WIN32_MAXVER 0x0A00
#endif
