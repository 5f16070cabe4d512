#ifndef WSK_SPECSTRINGS_H
#define WSK_SPECSTRINGS_H
#include "sal.h"
#endif
