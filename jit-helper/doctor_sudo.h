/* What sudoers says that decides over the gate, by cvtsudoers(1): pam_acct_mgmt, pam_session, pam_service, NOPASSWD. */
#ifndef JD_SUDO_H
#define JD_SUDO_H

#include "doctor_report.h"

struct jd_sudo {
	bool installed;
	bool looked;	  /* sudoers was read */
	bool no_account;  /* Defaults !pam_acct_mgmt, for all */
	bool no_session;  /* Defaults !pam_session, for all */
	bool no_password; /* NOPASSWD or !authenticate somewhere */
	char service[64]; /* pam_service */
	char login[64];	  /* pam_login_service, of sudo -i */
	char version[32];
};

/* Reads sudoers; findings say how bad it is where sudo is gated (`gated`). */
void jd_sudo_look(struct jd_report *report, bool gated, struct jd_sudo *ret);

/* Findings of cvtsudoers' JSON; pure, for tests. */
void jd_sudo_judge(struct jd_report *report, bool gated, struct json_object *sudoers, struct jd_sudo *sudo);

#endif
