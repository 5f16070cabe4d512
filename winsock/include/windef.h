#ifndef WSK_WINDEF_H
#define WSK_WINDEF_H
#include "minwindef.h"
#endif
