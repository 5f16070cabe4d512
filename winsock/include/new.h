#ifndef WSK_NEW_H
#define WSK_NEW_H
#ifdef __cplusplus
#include <new>
using std::bad_alloc;
using std::set_new_handler;
#endif
#endif
