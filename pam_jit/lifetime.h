/*
 * How long the application still lives whatever the module does: sshd dies at
 * the end of LoginGraceTime, login (where it has not switched that off for
 * account, as shadow's has) at that of LOGIN_TIMEOUT, both without a word to the
 * person, and sshd then punishes the address. A wait ends before.
 */
#ifndef PJ_LIFETIME_H
#define PJ_LIFETIME_H

#include "args.h"

#include <stdint.h>

#define PJ_UNLIMITED INT64_MAX

/*
 * Milliseconds this process has before it is ended, negative where the time is over already, PJ_UNLIMITED where
 * nothing will end it. sshd and login: its own alarm, which is read and not touched. sshd without one, as in
 * keyboard-interactive's child: login_grace= or the configuration's LoginGraceTime, less the age of the
 * process that serves the connection.
 */
int64_t pj_lifetime_left_ms(const struct pj_args *args);

#endif
