#ifndef WSK_MMEAPI_H
#define WSK_MMEAPI_H
#include "mmsystem.h"
#endif
