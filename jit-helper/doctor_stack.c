/* See doctor_stack.h. */
#include "doctor_stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_walk.h"
#include "text.h"

/* What the module answers when nobody may go on, and what libpam answers where the module cannot be loaded. */
static const int refusals[] = {PAM_PERM_DENIED, PAM_AUTHINFO_UNAVAIL, PAM_SYSTEM_ERR, PAM_SERVICE_ERR,
			       PAM_MODULE_UNKNOWN};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static int parse_args(const struct jd_service *s, const struct jd_pam_line *line, struct pj_args *ret, char *why,
		      size_t size)
{
	return pj_args_parse(line->argc, (const char *const *)line->argv, s->name, ret, why, size);
}

int jd_service_new(const char *name, struct jd_pam_stack *stack, struct jd_service **ret)
{
	struct jd_service *s = calloc(1, sizeof(*s));
	char why[256];

	if (!s) {
		jd_pam_free(stack);
		return -ENOMEM;
	}
	jit_text_clean_str(s->name, sizeof(s->name), name);
	s->stack = stack;
	s->auth = jd_our_line(stack, JD_AUTH, NULL);
	s->account = jd_our_line(stack, JD_ACCOUNT, NULL);
	s->session = jd_our_line(stack, JD_SESSION, NULL);
	s->app = pj_app_of_service(name);
	const struct jd_pam_line *line = s->account ? s->account : s->session;
	s->args_good = line && parse_args(s, line, &s->args, why, sizeof(why)) == 0;
	if (s->args_good)
		s->app = s->args.app;
	*ret = s;
	return 0;
}

void jd_service_free(struct jd_service *service)
{
	if (!service)
		return;
	jd_pam_free(service->stack);
	free(service);
}

bool jd_service_gated(const struct jd_service *service)
{
	return service->auth || service->account || service->session;
}

bool jd_service_spared(const struct jd_service *service)
{
	return service->args_good && (service->args.observe || pj_args_spare_service(&service->args, service->name));
}

const char *jd_service_file(const struct jd_service *service)
{
	return service->stack->file_count ? service->stack->files[0] : "/etc/pam.d/other";
}

static struct jd_finding *find_at(struct jd_report *report, enum jd_severity severity, const char *code,
				  const struct jd_service *s, const struct jd_pam_line *line)
{
	return jd_find(report, severity, code, s->name, line->file, line->line);
}

static void judge_presence(struct jd_report *report, const struct jd_service *s)
{
	struct jd_finding *f;

	if (s->auth && !s->account) {
		f = find_at(report, JD_ERROR, "gate.auth_only", s, s->auth);
		jd_what(f, "pam_jit.so stands in auth, where it does nothing, and not in account: nobody is asked.");
		jd_fix(f, "Move the line to the end of the account lines: account  required  pam_jit.so");
	} else if (!s->account) {
		f = find_at(report, JD_ERROR, "gate.no_account", s, s->session);
		jd_what(f, "There is no account line of pam_jit.so: nobody can ask for an approval, and open_session "
			   "refuses who has no grant.");
		jd_fix(f, "Add to the end of the account lines: account  required  pam_jit.so");
	}
	if (!s->session) {
		const struct jd_pam_line *line = s->account ? s->account : s->auth;

		f = find_at(report, JD_ERROR, "gate.no_session", s, line);
		jd_what(f, "There is no session line of pam_jit.so: an approval for one target lets the person become "
			   "any other, the session gets no credentials, and nothing ends with it.");
		jd_fix(f, "Add as the %s line of session: session  required  pam_jit.so",
		       s->app == PJ_SUDO ? "first" : "last");
	}
}

static void judge_args(struct jd_report *report, const struct jd_service *s, const struct jd_pam_line *line)
{
	struct pj_args args;
	char why[256];

	if (!line || parse_args(s, line, &args, why, sizeof(why)) == 0)
		return;
	struct jd_finding *f = find_at(report, JD_ERROR, "gate.args", s, line);
	jd_what(f, "The module refuses everybody at this line: %s.", why);
	jd_fix(f, "Correct the argument; man pam_jit lists them.");
}

static bool same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void judge_args_differ(struct jd_report *report, const struct jd_service *s)
{
	struct pj_args a, b;
	char why[256];
	const char *which = NULL;

	if (!s->account || !s->session || parse_args(s, s->account, &a, why, sizeof(why)) < 0 ||
	    parse_args(s, s->session, &b, why, sizeof(why)) < 0)
		return;
	if (a.observe != b.observe)
		which = "observe";
	else if (!same(a.exempt_user, b.exempt_user))
		which = "exempt_user";
	else if (!same(a.exempt_group, b.exempt_group))
		which = "exempt_group";
	else if (!same(a.exempt_service, b.exempt_service))
		which = "exempt_service";
	else if (!same(a.role, b.role))
		which = "role";
	else if (!same(a.socket, b.socket) || !same(a.helper_user, b.helper_user))
		which = "socket and helper_user";
	else if (a.app != b.app)
		which = "app";
	if (!which)
		return;
	struct jd_finding *f = find_at(report, JD_WARNING, "gate.args_differ", s, s->session);
	jd_what(f, "%s is not the same as on the account line (%s:%u): who passes one is refused by the other.", which,
		s->account->file, s->account->line);
	jd_fix(f, "Give both lines the same arguments.");
}

/* The refusals that do not refuse, as words. */
static int leaks(const struct jd_service *s, enum jd_phase phase, char *buf, size_t size, bool *ret_own)
{
	const struct jd_pam_line *line = phase == JD_ACCOUNT ? s->account : s->session;
	size_t used = 0;

	buf[0] = '\0';
	*ret_own = false;
	for (size_t i = 0; i < REFUSALS; i++) {
		struct jd_ways ways;

		if (jd_walk_ways(s->stack, phase, refusals[i], &ways) < 0)
			return -ENOMEM;
		if (!ways.through || used >= size)
			continue;
		int action = line->actions[refusals[i]];
		*ret_own = *ret_own || (action != JD_BAD && action != JD_DIE);
		used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
					 jd_pam_code_name(refusals[i]));
	}
	return 0;
}

static int judge_fail_open(struct jd_report *report, struct jd_service *s, enum jd_phase phase)
{
	const struct jd_pam_line *line = phase == JD_ACCOUNT ? s->account : s->session;
	char codes[160];
	bool own;

	if (!line)
		return 0;
	if (leaks(s, phase, codes, sizeof(codes), &own) < 0)
		return -ENOMEM;
	if (!codes[0])
		return 0;
	s->open = s->open || phase == JD_ACCOUNT;
	struct jd_finding *f = find_at(report, JD_ERROR, "gate.fail_open", s, line);
	if (own)
		jd_what(f, "The control \"%s\" lets people go on although pam_jit.so refuses (%s).",
			line->control ? line->control : "", codes);
	else
		jd_what(f, "A later line takes the refusal of pam_jit.so back (%s).", codes);
	jd_fix(f, "Write: %s  required  pam_jit.so", jd_pam_phase_name(phase));
	return 0;
}

/* libpam keeps the code of the first `required` line that fails, and sudo goes on when that is PAM_SESSION_ERR. */
static void judge_unheard(struct jd_report *report, const struct jd_service *s, const struct jd_pam_line *by)
{
	if (s->app != PJ_SUDO || !by || by >= s->session)
		return;
	struct jd_finding *f = find_at(report, JD_WARNING, "gate.session_late", s, s->session);
	jd_what(f,
		"%s (%s:%u) stands before this line. When it fails with PAM_SESSION_ERR, sudo runs the command "
		"although "
		"pam_jit.so refuses the target.",
		jd_pam_module_name(by), by->file, by->line);
	jd_fix(f, "Make this the first session line; only `optional` lines, as pam_keyinit.so's, may stand before it.");
}

static int judge_ways_past(struct jd_report *report, struct jd_service *s, enum jd_phase phase)
{
	const struct jd_pam_line *line = phase == JD_ACCOUNT ? s->account : s->session;
	struct jd_ways ways;
	struct jd_finding *f;

	if (!line)
		return 0;
	if (jd_walk_ways(s->stack, phase, PAM_PERM_DENIED, &ways) < 0)
		return -ENOMEM;
	if (ways.past) {
		const struct jd_pam_line *by = ways.past_line ? ways.past_line : line;

		s->open = s->open || phase == JD_ACCOUNT;
		f = find_at(report, JD_ERROR, "gate.skipped", s, by);
		jd_what(f,
			"%s (\"%s\") can end or jump over the %s line of pam_jit.so (%s:%u): whom it lets through "
			"is not asked.",
			jd_pam_module_name(by), by->control ? by->control : "", jd_pam_phase_name(phase), line->file,
			line->line);
		jd_fix(f, "Put the pam_jit.so line before it, or include its file by `substack`.");
	}
	if (phase == JD_SESSION)
		judge_unheard(report, s, ways.unheard_line);
	if (ways.expired && phase == JD_ACCOUNT) {
		s->expired = true;
		f = find_at(report, JD_NOTE, "gate.expired", s, line);
		jd_what(f, "Whose password has to be changed passes the account line unasked%s.",
			s->session ? "; the session line then refuses who has no grant" : "");
	}
	return 0;
}

static void judge_own_control(struct jd_report *report, const struct jd_service *s, enum jd_phase phase)
{
	const struct jd_pam_line *line = phase == JD_ACCOUNT ? s->account : s->session;
	unsigned count = 0;
	struct jd_finding *f;

	if (!line || line->kind == JD_BROKEN)
		return;
	if (jd_walk_nominal(s->stack, phase, PAM_SUCCESS) != PAM_SUCCESS) {
		f = find_at(report, JD_ERROR, "gate.never_opens", s, line);
		jd_what(f, "This phase refuses everybody, approved or not, even when every other module is content.");
		jd_fix(f, "Look for pam_deny.so and for controls without `success=` in this phase.");
	} else if (jd_walk_nominal(s->stack, phase, PAM_IGNORE) != PAM_SUCCESS) {
		f = find_at(report, JD_WARNING, "gate.ignore_refused", s, line);
		jd_what(f,
			"This phase refuses whom pam_jit.so spares (control \"%s\"): exemptions, observe, root in sudo "
			"and su.",
			line->control);
		jd_fix(f, "Write: %s  required  pam_jit.so", jd_pam_phase_name(phase));
	}
	jd_our_line(s->stack, phase, &count);
	if (count > 1) {
		f = find_at(report, JD_WARNING, "gate.twice", s, line);
		jd_what(f, "pam_jit.so stands %u times in %s: each line asks on its own.", count,
			jd_pam_phase_name(phase));
		jd_fix(f, "Keep one of them.");
	}
}

static bool has_argument(const struct jd_pam_line *line, const char *argument)
{
	for (int i = 0; i < line->argc; i++)
		if (strcmp(line->argv[i], argument) == 0)
			return true;
	return false;
}

/* The last one; with that argument, unless it is NULL. */
static const struct jd_pam_line *find_module(const struct jd_service *s, enum jd_phase phase, const char *module,
					     const char *argument)
{
	const struct jd_pam_line *found = NULL;

	for (size_t i = 0; i < s->stack->count; i++) {
		const struct jd_pam_line *line = &s->stack->lines[i];

		if (line->phase == phase && line->kind == JD_MODULE && strcmp(jd_pam_module_name(line), module) == 0 &&
		    (!argument || has_argument(line, argument)))
			found = line;
	}
	return found;
}

static void judge_session_order(struct jd_report *report, const struct jd_service *s)
{
	/* Without `force` it leaves the ring alone that our line has joined. */
	const struct jd_pam_line *keyinit = find_module(s, JD_SESSION, "pam_keyinit.so", "force");
	struct jd_finding *f;

	if (!s->session)
		return;
	/* Lines lie in the stack in their order. */
	if (keyinit && keyinit > s->session) {
		f = find_at(report, JD_WARNING, "gate.keyinit_order", s, s->session);
		jd_what(f,
			"pam_keyinit.so (%s:%u) comes after this line and takes its keyring away: the session gets "
			"no credentials.",
			keyinit->file, keyinit->line);
		jd_fix(f, "Move the session line of pam_jit.so behind it%s.",
		       s->app == PJ_SUDO ? "" : ", best to the end");
	}
	if ((s->app == PJ_SSHD || s->app == PJ_LOGIN) && !find_module(s, JD_SESSION, "pam_loginuid.so", NULL)) {
		f = find_at(report, JD_WARNING, "gate.no_loginuid", s, s->session);
		jd_what(f, "There is no pam_loginuid.so in session: the kernel does not know who logged in, and one "
			   "login's grant cannot be told from another's by it.");
		jd_fix(f, "Add before pam_keyinit.so: session  required  pam_loginuid.so");
	}
}

static void note_who_is_spared(struct jd_report *report, const struct jd_service *s)
{
	const struct jd_pam_line *line = s->account ? s->account : s->session;
	struct jd_finding *f;

	if (!s->args_good)
		return;
	if (s->args.observe) {
		f = find_at(report, JD_NOTE, "gate.observe", s, line);
		jd_what(f, "observe: nobody is asked and nobody is blocked; the log says what would have happened.");
		jd_fix(f,
		       "Once the log looks right, run: jit-helper pam enable %s (behind -- the arguments that are to "
		       "stay); or, where the lines are by hand, take observe from both.",
		       s->name);
	}
	if (jd_service_spared(s) && !s->args.observe) {
		f = find_at(report, JD_NOTE, "gate.spared", s, line);
		jd_what(f, "exempt_service spares this whole service: nobody is asked here.");
	}
	if (s->args.exempt_user || s->args.exempt_group) {
		f = find_at(report, JD_NOTE, "gate.exempt", s, line);
		jd_what(f, "Spared, and never asked:%s%s%s%s.", s->args.exempt_user ? " user " : "",
			s->args.exempt_user ? s->args.exempt_user : "", s->args.exempt_group ? " group " : "",
			s->args.exempt_group ? s->args.exempt_group : "");
	}
}

static void judge_faults(struct jd_report *report, const struct jd_service *s)
{
	for (size_t i = 0; i < s->stack->fault_count; i++) {
		const struct jd_pam_fault *fault = &s->stack->faults[i];
		struct jd_finding *f = jd_find(report, JD_ERROR, "pam.broken", s->name, fault->file, fault->line);

		jd_what(f, "libpam cannot read this and refuses %s: %s.",
			fault->whole ? "everybody at this service" : "in this line's place", fault->what);
		jd_fix(f, "Correct the line; keep a root shell open meanwhile.");
	}
}

int jd_stack_judge(struct jd_report *report, struct jd_service *s)
{
	judge_faults(report, s);
	if (!jd_service_gated(s))
		return 0;
	judge_presence(report, s);
	judge_args(report, s, s->account);
	judge_args(report, s, s->session);
	judge_args_differ(report, s);
	for (enum jd_phase phase = JD_ACCOUNT; phase <= JD_SESSION; phase++) {
		if (judge_fail_open(report, s, phase) < 0 || judge_ways_past(report, s, phase) < 0)
			return -ENOMEM;
		judge_own_control(report, s, phase);
	}
	judge_session_order(report, s);
	note_who_is_spared(report, s);
	return 0;
}
