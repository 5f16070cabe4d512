#ifndef WSK_HEAPAPI_H
#define WSK_HEAPAPI_H
#include "memoryapi.h"
#endif
