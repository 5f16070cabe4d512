/* IP helper: the adapters. */
#ifndef WSK_IPHLPAPI_H
#define WSK_IPHLPAPI_H
#include "iptypes.h"
WSK_BEGIN
DWORD WINAPI GetAdaptersInfo(PIP_ADAPTER_INFO adapters, PULONG size) WSK(GetAdaptersInfo);
WSK_END
#endif
