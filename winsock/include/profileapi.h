#ifndef WSK_PROFILEAPI_H
#define WSK_PROFILEAPI_H
#include "sysinfoapi.h"
#endif
