/*
 * What the module must know of the sshd it is a guest in: whether text reaches
 * the person at once. It does from OpenSSH 10.3 on, in the child that sshd forks
 * for keyboard-interactive; older ones keep it until the next prompt, and with a
 * public key alone it is shown after a refusal, as a banner.
 */
#ifndef PJ_SSHD_H
#define PJ_SSHD_H

#include <stdbool.h>
#include <stddef.h>

/* 10.3 is 1003, 9.2 is 902: a minor number has two digits at most. */
#define PJ_OPENSSH(major, minor) ((major)*100U + (minor))

/*
 * The highest "OpenSSH_<major>.<minor>" among the bytes of a program; 0 where there is none. The patterns of other
 * programs' faults that sshd holds too ("OpenSSH_7.4*") do not count.
 */
unsigned pj_openssh_version(const void *bytes, size_t len);

/* True for the title of keyboard-interactive's child: "sshd: op1 [pam]", since 9.8 "sshd-session: op1 [pam]". */
bool pj_openssh_is_pam_child(const char *title);

/* Is text shown at once by an sshd of that version in the process of that title? */
bool pj_openssh_is_live(unsigned version, const char *title);

/* The title of this process (/proc/self/cmdline), "" where it cannot be read. */
void pj_sshd_title(char *buf, size_t size);

/* The version that stands in this process' main program, as it is mapped: no file of it is opened. 0: none. */
unsigned pj_sshd_version(void);

/* Is text shown at once by this process? */
bool pj_sshd_is_live(void);

#endif
