/* terminate handlers. */
#ifndef WSK_EH_H
#define WSK_EH_H
#include "wsk/crt.h"
#ifdef __cplusplus
#include <exception>
using std::set_terminate;
using std::terminate;
#endif
#endif
