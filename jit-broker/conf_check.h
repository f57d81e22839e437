/* Does a configuration make sense as a whole? Called by conf.c on every file that could be read. */
#ifndef JB_CONF_CHECK_H
#define JB_CONF_CHECK_H

#include "conf.h"

/* Tells every error as "PATH:LINE: sentence" and returns their number. */
int jb_conf_check(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg);
/*
 * The same of the files that it names. CAs of those whom the broker calls are opened by libraries, which would take
 * any: they are judged before one is used. Secrets that are read first when somebody needs them are judged then, too.
 */
int jb_conf_check_authorities(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg);
int jb_conf_check_secrets(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg);
/* Both, and what the broker reads at its start and will not start without. */
int jb_conf_check_files(const struct jb_conf *conf, void (*on_error)(void *arg, const char *message), void *arg);

#endif
