#ifndef WSK_NTSTATUS_H
#define WSK_NTSTATUS_H
#include "winnt.h"
#endif
