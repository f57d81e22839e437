/* The table of what happens at a service's door, from its stack and the settings that were found. See doctor_service.h.
 */
#include <stdio.h>
#include <string.h>

#include "doctor_service.h"
#include "doctor_walk.h"

static bool passes(const struct jd_service *s, enum jd_phase phase, int code)
{
	return jd_walk_nominal(s->stack, phase, code) == PAM_SUCCESS;
}

/* sudo does not run a phase that sudoers switches off. */
static bool runs(const struct jd_service *s, const struct jd_knowledge *known, enum jd_phase phase)
{
	if (s->app == PJ_SSHD && known->ssh.looked && !known->ssh.use_pam)
		return false;
	if (s->app != PJ_SUDO || !known->sudo.looked)
		return true;
	return phase == JD_ACCOUNT ? !known->sudo.no_account : !known->sudo.no_session;
}

/* What a refusal with `code` comes to, both phases considered. NULL: it is a refusal. */
static const char *leak(const struct jd_service *s, const struct jd_knowledge *known, int code)
{
	bool account = s->account && runs(s, known, JD_ACCOUNT), session = s->session && runs(s, known, JD_SESSION);
	bool account_open = !account || passes(s, JD_ACCOUNT, code);
	/* open_session answers system_err where account says that nobody could be reached. */
	bool session_open = !session || passes(s, JD_SESSION, code == PAM_PERM_DENIED ? code : PAM_SYSTEM_ERR);

	if (account_open && session_open)
		return "GETS IN";
	if (account_open)
		return "refused by the session line alone: account lets pass";
	if (s->open)
		return "refused, but the account lines leave a way past";
	return NULL;
}

static bool has_glass(const struct jd_knowledge *known)
{
	return known->probe.document && known->probe.glass[0];
}

static void tell_decisions(struct jd_report *report, struct jd_door *door, const struct jd_service *s,
			   const struct jd_knowledge *known)
{
	bool in = passes(s, JD_ACCOUNT, PAM_SUCCESS) && passes(s, JD_SESSION, PAM_SUCCESS);
	bool asked = s->account && runs(s, known, JD_ACCOUNT);
	const char *denied = leak(s, known, PAM_PERM_DENIED), *down = leak(s, known, PAM_AUTHINFO_UNAVAIL);

	if (!asked)
		jd_row(report, door, "approved", "nobody is asked here, so nobody approves");
	else if (!in)
		jd_row(report, door, "approved", "refused: another line of the stack says no");
	else if (!s->session || !runs(s, known, JD_SESSION))
		jd_row(report, door, "approved", "gets in, as any target, without credentials");
	else
		jd_row(report, door, "approved", "gets in");
	jd_row(report, door, "denied", "%s", denied ? denied : "refused");
	if (!down && has_glass(known))
		jd_row(report, door, "brokerDown", "refused; members of %s may break the glass", known->probe.glass);
	else
		jd_row(report, door, "brokerDown", "%s", down ? down : "refused at once");
	jd_row(report, door, "helperDown", "%s",
	       down		  ? down
	       : has_glass(known) ? "refused at once; breaking the glass needs the helper too"
				  : "refused at once");
}

static void tell_sudo(struct jd_report *report, struct jd_door *door, const struct jd_service *s,
		      const struct jd_knowledge *known)
{
	bool asked = s->account && runs(s, known, JD_ACCOUNT);
	const char *open = leak(s, known, PAM_PERM_DENIED);
	const char *any = open ? open : asked ? "asked like anybody" : "refused";

	jd_row(report, door, "nopasswd", "%s%s", any,
	       known->sudo.looked
		       ? known->sudo.no_password ? " (sudoers has such rules)" : " (sudoers has no such rule)"
		       : " (sudoers was not read)");
	jd_row(report, door, "ticket", "%s: auth is skipped, %s", any, asked ? "account is not" : "and so is the gate");
	jd_row(report, door, "nonInteractive", "%s",
	       !open && asked ? "passes with a live grant, else waits without a question; JIT_REASON gives the reason"
			      : any);
	jd_row(report, door, "list", "passes, nobody is asked; it grants nothing");
}

static void tell_ssh(struct jd_report *report, struct jd_door *door, const struct jd_service *s,
		     const struct jd_knowledge *known)
{
	struct json_object *section = jd_probe_service(&known->probe, s->name), *value;
	long wait =
		section && json_object_object_get_ex(section, "silentWait", &value) ? json_object_get_int(value) : 0;
	bool resume =
		!section || !json_object_object_get_ex(section, "resume", &value) || json_object_get_boolean(value);
	const char *open = leak(s, known, PAM_PERM_DENIED);

	if (known->ssh.looked && !known->ssh.publickey)
		jd_row(report, door, "publickey", "sshd takes no public keys");
	else if (open)
		jd_row(report, door, "publickey", "%s", open);
	else if (wait)
		jd_row(report, door, "publickey", "waits up to %ld s in silence, then is refused with the id%s", wait,
		       resume ? "; the next connection passes once approved" : "");
	else
		jd_row(report, door, "publickey", "refused with the request's id in a banner%s",
		       resume ? "; the next connection passes once approved" : ", and not taken up again");
}

static void tell_root(struct jd_report *report, struct jd_door *door, const struct jd_service *s,
		      const struct jd_knowledge *known)
{
	if (s->app == PJ_SUDO || s->app == PJ_SU)
		jd_row(report, door, "root",
		       s->account && s->account->actions[PAM_IGNORE] != JD_IGNORE
			       ? "refused: the control refuses whom the module spares"
			       : "passes, logged");
	else if (s->app == PJ_SSHD && known->ssh.looked && strcmp(known->ssh.root_login, "no") == 0)
		jd_row(report, door, "root", "refused by sshd (PermitRootLogin no)");
	else
		jd_row(report, door, "root", "asked like anybody, unless exempt");
	if (s->args.exempt_user || s->args.exempt_group)
		jd_row(report, door, "exempt", "pass unasked, logged:%s%s%s%s", s->args.exempt_user ? " user " : "",
		       s->args.exempt_user ? s->args.exempt_user : "", s->args.exempt_group ? " group " : "",
		       s->args.exempt_group ? s->args.exempt_group : "");
}

static void tell_nobody_asked(struct jd_report *report, struct jd_door *door, const char *outcome)
{
	static const char *const situations[] = {"approved", "denied", "brokerDown", "helperDown"};

	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
		jd_row(report, door, situations[i], "%s", outcome);
}

void jd_door_tell(struct jd_report *report, const struct jd_service *s, const struct jd_knowledge *known)
{
	bool spared = jd_service_spared(s), gated = jd_service_gated(s);
	struct jd_door *door = jd_door_new(report, s->name, jd_service_file(s),
					   !gated		       ? "open"
					   : spared && s->args.observe ? "observed"
								       : "gated");

	if (!door || !gated)
		return;
	if (!s->args_good && (s->account || s->session)) {
		tell_nobody_asked(report, door, "refused: the module does not take its arguments");
		return;
	}
	if (spared) {
		tell_nobody_asked(report, door,
				  s->args.observe ? "passes: observe only logs" : "passes: exempt_service spares it");
		return;
	}
	tell_decisions(report, door, s, known);
	if (s->app == PJ_SUDO)
		tell_sudo(report, door, s, known);
	if (s->app == PJ_SSHD)
		tell_ssh(report, door, s, known);
	tell_root(report, door, s, known);
}
