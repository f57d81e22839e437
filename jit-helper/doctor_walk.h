/*
 * What a PAM stack comes to: libpam's dispatch (pam_dispatch.c) played through
 * over a phase, with our module's answer given and the others' answers either
 * nominal (all well) or free (whatever they might ever answer).
 */
#ifndef JD_WALK_H
#define JD_WALK_H

#include "doctor_pam.h"

#define JD_OURS "pam_jit.so"

bool jd_is_ours(const struct jd_pam_line *line);
/* The first pam_jit.so line of the phase, and how many there are. NULL: none. */
const struct jd_pam_line *jd_our_line(const struct jd_pam_stack *stack, enum jd_phase phase, unsigned *ret_count);

/* Does a line before it jump over this line of the stack? Another line put there changes where such a jump ends. */
bool jd_walk_leapt(const struct jd_pam_stack *stack, const struct jd_pam_line *line);

/* How the phase ends when ours answers `code` and every other module is content: a PAM code. */
int jd_walk_nominal(const struct jd_pam_stack *stack, enum jd_phase phase, int code);

/*
 * Where the others may answer anything: is there a way to success although ours
 * answered `code` (*ret_through), or without asking ours at all (*ret_past, and
 * *ret_past_line: who leads past it)? And does the phase end with "the password
 * is to be changed" without asking ours (*ret_expired)? And can it end with
 * PAM_SESSION_ERR, which sudo passes over (unheard_line: the first that can make
 * it so, else NULL)? 0 or -ENOMEM.
 */
struct jd_ways {
	bool through;
	bool past;
	bool expired;
	const struct jd_pam_line *past_line;
	const struct jd_pam_line *unheard_line;
};
int jd_walk_ways(const struct jd_pam_stack *stack, enum jd_phase phase, int code, struct jd_ways *ret);

#endif
