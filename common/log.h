/*
 * The daemons' log: one line a message on standard error, and, where that is
 * the journal, with the priority prefix that it reads (sd-daemon(3), JOURNAL_STREAM). For programs, never for library
 * code in common/, and never for the PAM module (it has pam_syslog).
 */
#ifndef JIT_LOG_H
#define JIT_LOG_H

#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO */

/* Control characters in the finished line become '?': what a person wrote cannot forge a line. */
__attribute__((format(printf, 2, 3))) void jit_log(int priority, const char *format, ...);

#endif
