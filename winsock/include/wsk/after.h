/* The compiler driver puts this between the standard headers and the source. */
#ifndef WSK_AFTER_H
#define WSK_AFTER_H
/* libc binds its scanf to versions of its own already, so these are renamed by macros. */
#define scanf wsk_scanf
#define fscanf wsk_fscanf
#define sscanf wsk_sscanf
#define vsscanf wsk_vsscanf
#define wscanf wsk_wscanf
#define fwscanf wsk_fwscanf
#define swscanf wsk_swscanf
#if defined(__cplusplus) && defined(_GLIBCXX_IOSTREAM)
#include "wide_streams.hpp"
#endif
#endif
