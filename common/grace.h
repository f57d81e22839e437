/*
 * LoginGraceTime of the effective sshd_config(5): within it sshd wants to know
 * who logs in, and at its end it dies without a word. Read as sshd reads it:
 * the first value counts, keywords in any case, Include with globs, and nothing
 * inside a Match block.
 */
#ifndef PJ_GRACE_H
#define PJ_GRACE_H

#include <stdint.h>

#define PJ_SSHD_CONFIG	 "/etc/ssh/sshd_config"
#define PJ_GRACE_DEFAULT 120 /* seconds: sshd's own */

/* sshd's times: "20", "2m", "1h30m", "1.5s", "0". Seconds; 0, or -EINVAL with *ret as it was. */
int pj_grace_parse(const char *s, uint32_t *ret);

/*
 * Seconds; 0: no limit. PJ_GRACE_DEFAULT where nothing is said, or the file cannot be read or is not one that only
 * root (or the effective uid) writes. Relative Includes are of the file's own folder.
 */
uint32_t pj_grace_read(const char *config);

#endif
