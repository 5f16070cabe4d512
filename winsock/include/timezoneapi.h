#ifndef WSK_TIMEZONEAPI_H
#define WSK_TIMEZONEAPI_H
#include "sysinfoapi.h"
#endif
