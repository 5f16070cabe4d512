#ifndef WSK_QOS_H
#define WSK_QOS_H
#include "winsock2.h"
#endif
