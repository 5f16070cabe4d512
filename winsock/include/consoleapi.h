#ifndef WSK_CONSOLEAPI_H
#define WSK_CONSOLEAPI_H
#include "wincon.h"
#endif
