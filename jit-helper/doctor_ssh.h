/* What sshd really does, by `sshd -T`: UsePAM, LoginGraceTime, how people prove who they are; and OpenSSH's version. */
#ifndef JD_SSH_H
#define JD_SSH_H

#include "doctor_report.h"
#include "doctor_stack.h"

struct jd_ssh {
	bool installed;
	bool looked;
	bool use_pam, publickey, interactive, password;
	long grace_s;	       /* LoginGraceTime; 0: none */
	char methods[256];     /* AuthenticationMethods */
	char root_login[32];   /* PermitRootLogin */
	unsigned major, minor; /* 0: not known */
};

/* Reads the text of `sshd -T`; pure. */
void jd_ssh_parse(const char *text, struct jd_ssh *ret);
/* "OpenSSH_9.2p1 …" */
void jd_ssh_version(const char *text, struct jd_ssh *ret);

/*
 * Looks, and judges against the service's stack (NULL or not gated: notes at
 * most). `helper_timeout_s`: the helper's own limit of a wait, 0 when not known.
 */
void jd_ssh_look(struct jd_report *report, const struct jd_service *service, long helper_timeout_s, struct jd_ssh *ret);
/* The judgement alone, over what was read. */
void jd_ssh_judge(struct jd_report *report, const struct jd_service *service, long helper_timeout_s,
		  const struct jd_ssh *ssh);

#endif
