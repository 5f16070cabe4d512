#ifndef WSK_CONSOLEAPI2_H
#define WSK_CONSOLEAPI2_H
#include "wincon.h"
#endif
