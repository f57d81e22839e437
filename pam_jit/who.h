/*
 * Who asks, to become whom, and the circumstances: from the kernel and from PAM,
 * never from a name that the person chose.
 */
#ifndef PJ_WHO_H
#define PJ_WHO_H

#include "args.h"
#include "proto.h"
#include "verdict.h"

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Texts are clean UTF-8; "" where there is nothing to tell. */
struct pj_who {
	char service[JIT_NAME_SIZE];
	char requester[JIT_NAME_SIZE];
	uid_t uid; /* the requester's */
	gid_t gid; /* the requester's primary group */
	char target[JIT_NAME_SIZE];
	char tty[JIT_NAME_SIZE];
	char rhost[JIT_NAME_SIZE];
	char role[JIT_NAME_SIZE]; /* pj_who_find_role */
	/* What an approver is told besides; account alone. */
	char command[JIT_COMMAND_SIZE];
	char cwd[JIT_COMMAND_SIZE];
	char reason[JIT_LINE_SIZE];
	char ticket[JIT_LINE_SIZE];
	bool wants_glass; /* JIT_BREAK_GLASS=yes */
};

/*
 * sudo: PAM_RUSER, which must be the real uid's, or in open_session root's. su: the real uid, which
 * PAM_RUSER must not contradict. Other programs run by a person (setuid or not):
 * the same as su. sshd and login, and what runs with real uid 0: PAM_USER; but
 * polkit's helper with real uid 0 serves whoever calls it, and tells not whom.
 * 0, or -EINVAL with a sentence in `why`.
 */
int pj_who_find(pam_handle_t *pamh, enum pj_phase phase, const struct pj_args *args, struct pj_who *ret, char *why,
		size_t why_size);

/*
 * JIT_ROLE, under sudo and su where the line has no role=. For who is not spared. 0, or -EINVAL with a sentence in
 * `why` where it is no name.
 */
int pj_who_find_role(const struct pj_args *args, struct pj_who *who, char *why, size_t why_size);

/* True where who logs in is who asks: sshd, login, and any other program that runs with real uid 0. */
bool pj_who_is_login(enum pj_app app);

/* Root asks for sudo or su, and needs nobody's leave. Never true in the other applications. */
bool pj_who_is_root(enum pj_app app, const struct pj_who *who);

/* sudo -l and sudo -v run nothing: nobody is to be asked in account. */
bool pj_who_runs_nothing(enum pj_app app, const struct pj_who *who);

/*
 * True where exempt_user or exempt_group names the requester; `by` then says
 * which ("user op1"). A group that does not exist exempts nobody.
 */
bool pj_who_is_exempt(const struct pj_args *args, const struct pj_who *who, char *by, size_t by_size);

#endif
