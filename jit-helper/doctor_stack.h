/*
 * Judging one service's stack: does our account line really decide, does our
 * session line stand where it must, would the module take its arguments? Pure:
 * all that is known of the host beyond the stack is judged elsewhere.
 */
#ifndef JD_STACK_H
#define JD_STACK_H

#include "args.h"
#include "doctor_pam.h"
#include "doctor_report.h"

struct jd_service {
	char name[64];
	struct jd_pam_stack *stack; /* the service's own: jd_service_free */
	enum pj_app app;
	const struct jd_pam_line *auth, *account, *session; /* our first line of each phase, or NULL */
	struct pj_args args; /* of the account line, else of the session line; texts belong to the stack */
	bool args_good;
	bool open;    /* the account line can be passed without an approval */
	bool expired; /* a password that is to be changed leads past the account line */
};

/* Looks up our lines and arguments. `stack` is taken over, also on failure. 0 or -ENOMEM. */
int jd_service_new(const char *name, struct jd_pam_stack *stack, struct jd_service **ret);
void jd_service_free(struct jd_service *service);

/* True where any of our lines stands in it. */
bool jd_service_gated(const struct jd_service *service);
/* True where observe or exempt_service let everybody pass. */
bool jd_service_spared(const struct jd_service *service);
/* The service's file, for what is said of the whole of it. */
const char *jd_service_file(const struct jd_service *service);

/* Findings about the stack of a service, gated or not. 0 or -ENOMEM. */
int jd_stack_judge(struct jd_report *report, struct jd_service *service);

#endif
