#ifndef WSK_MMSYSTEM_H
#define WSK_MMSYSTEM_H
#include "timeapi.h"
#endif
