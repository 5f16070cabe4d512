/* Keys from the terminal, one by one. */
#ifndef WSK_CONIO_H
#define WSK_CONIO_H
#include "wsk/compiler.h"
#include <wchar.h>
WSK_BEGIN
int _kbhit(void) WSK(_kbhit);
int _getch(void) WSK(_getch);
int _getche(void) WSK(_getche);
int _putch(int character) WSK(_putch);
int _ungetch(int character) WSK(_ungetch);
wint_t _getwch(void) WSK(_getwch);
wint_t _getwche(void) WSK(_getwche);
int _cputs(const char *text) WSK(_cputs);
int _cprintf(const char *format, ...) WSK(_cprintf);
WSK_END
#ifndef WSK_NO_OLDNAMES
#define kbhit _kbhit
#define getch _getch
#define getche _getche
#define putch _putch
#define ungetch _ungetch
#define cprintf _cprintf
#define cputs _cputs
#endif
#endif
