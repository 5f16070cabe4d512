#ifndef WSK_STRINGAPISET_H
#define WSK_STRINGAPISET_H
#include "winnls.h"
#endif
