/* The session's terminal, for whom the helper warns before a grant's end. */
#ifndef PJ_TERMINAL_H
#define PJ_TERMINAL_H

#include "args.h"

/*
 * A descriptor for writing on it, without making it anybody's controlling terminal; the caller closes it. Under sudo
 * the person's own, in su and login the one that PAM_TTY names, else the controlling one. -1 where there is none.
 */
int pj_terminal_open(enum pj_app app, const char *tty);

#endif
