/*
 * The gate itself: what each PAM phase does from its first check to its code.
 * Every way out says one line to the person and one to the log.
 */
#ifndef PJ_GATE_H
#define PJ_GATE_H

#include <security/pam_modules.h>

/* May this person go on? Asks the helper, and through it whoever decides. */
int pj_gate_account(pam_handle_t *pamh, int argc, const char **argv);

/* Enforces the target and begins the elevation, which lasts until close or the process' death. */
int pj_gate_open(pam_handle_t *pamh, int argc, const char **argv);

/* Ends it. PAM_IGNORE where there was none. */
int pj_gate_close(pam_handle_t *pamh);

#endif
