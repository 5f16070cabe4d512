#ifndef WSK_SHARE_H
#define WSK_SHARE_H
#include "wsk/crt.h"
#endif
