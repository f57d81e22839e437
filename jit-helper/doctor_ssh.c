/* See doctor_ssh.h. */
#include "doctor_ssh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_file.h"
#include "doctor_run.h"
#include "text.h"

#define SSHD	  "/usr/sbin/sshd"
#define SSH	  "/usr/bin/ssh"
#define CONFIG	  "/etc/ssh/sshd_config"
#define RUN_MS	  5000
#define MARGIN_S  10 /* typing a password, and a slow connection */
#define MATCH_MAX 16

static void set_word(char *slot, size_t size, const char *value)
{
	jit_text_clean_str(slot, size, value);
}

static void read_pair(const char *name, const char *value, struct jd_ssh *s)
{
	bool yes = strcmp(value, "yes") == 0;
	uint64_t number;

	if (strcmp(name, "usepam") == 0)
		s->use_pam = yes;
	else if (strcmp(name, "logingracetime") == 0 && jit_parse_u64(value, INT32_MAX, &number) == 0)
		s->grace_s = (long)number;
	else if (strcmp(name, "pubkeyauthentication") == 0)
		s->publickey = yes;
	else if (strcmp(name, "kbdinteractiveauthentication") == 0)
		s->interactive = yes;
	else if (strcmp(name, "passwordauthentication") == 0)
		s->password = yes;
	else if (strcmp(name, "authenticationmethods") == 0)
		set_word(s->methods, sizeof(s->methods), value);
	else if (strcmp(name, "permitrootlogin") == 0)
		set_word(s->root_login, sizeof(s->root_login), value);
}

void jd_ssh_parse(const char *text, struct jd_ssh *ret)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[512];

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			char *value = strchr(line, ' ');
			if (value) {
				*value++ = '\0';
				read_pair(line, value, ret);
			}
		}
		text += len + (text[len] ? 1 : 0);
	}
	ret->looked = true;
}

void jd_ssh_version(const char *text, struct jd_ssh *ret)
{
	const char *at = strstr(text, "OpenSSH_");
	char *end;

	if (!at)
		return;
	unsigned long major = strtoul(at + 8, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major < 1000 && minor < 1000) {
		ret->major = (unsigned)major;
		ret->minor = (unsigned)minor;
	}
}

static void judge_grace(struct jd_report *report, const struct jd_service *service, long helper_timeout_s,
			const struct jd_ssh *ssh)
{
	long wait = (long)service->args.timeout;

	if (service->args_good && service->args.has_login_grace && ssh->grace_s &&
	    (!service->args.login_grace || service->args.login_grace > ssh->grace_s)) {
		struct jd_finding *f = jd_find(report, JD_WARNING, "sshd.grace_differs", service->name,
					       service->account ? service->account->file : CONFIG,
					       service->account ? service->account->line : 0);
		jd_what(f,
			"login_grace=%u on this line is longer than sshd's LoginGraceTime (%ld s): sshd dies before "
			"the "
			"gate has refused.",
			(unsigned)service->args.login_grace, ssh->grace_s);
		jd_fix(f, "Take login_grace= away, unless another sshd is meant.");
	}
	if (helper_timeout_s && helper_timeout_s < wait)
		wait = helper_timeout_s;
	if (!service->args_good || !service->account || ssh->grace_s == 0 || ssh->grace_s >= wait + MARGIN_S)
		return;
	struct jd_finding *f = jd_find(report, JD_WARNING, "sshd.grace", service->name, CONFIG, 0);
	jd_what(f,
		"LoginGraceTime is %ld s, and the gate waits up to %ld s for a decision: the connection is refused "
		"before that, and who is approved later has to connect again.",
		ssh->grace_s, wait);
	jd_fix(f, "Set LoginGraceTime to %ld or more, or timeout=%ld on both pam_jit.so lines.", wait + MARGIN_S,
	       ssh->grace_s > MARGIN_S ? ssh->grace_s - MARGIN_S : 1);
}

static void judge_methods(struct jd_report *report, const struct jd_service *service, const struct jd_ssh *ssh,
			  const char *match)
{
	bool asks =
		ssh->interactive && (strcmp(ssh->methods, "any") == 0 || strstr(ssh->methods, "keyboard-interactive"));
	struct jd_finding *f;

	if (!asks) {
		f = jd_find(report, JD_NOTE, "sshd.silent", service->name, CONFIG, 0);
		jd_what(f,
			"%sNobody can be asked or shown anything while they wait: a refusal carries the request's id "
			"in a banner, and the next connection after the approval passes.",
			match);
		jd_fix(f, "For live prompts set KbdInteractiveAuthentication yes and AuthenticationMethods any or "
			  "publickey,keyboard-interactive.");
	} else if (ssh->major && (ssh->major < 10 || (ssh->major == 10 && ssh->minor < 3))) {
		f = jd_find(report, JD_NOTE, "sshd.prompt_first", service->name, CONFIG, 0);
		jd_what(f, "%sOpenSSH %u.%u shows text only with a prompt: people press Enter once before they wait.",
			match, ssh->major, ssh->minor);
	}
}

void jd_ssh_judge(struct jd_report *report, const struct jd_service *service, long helper_timeout_s,
		  const struct jd_ssh *ssh)
{
	struct jd_finding *f;

	if (!service || !jd_service_gated(service))
		return;
	if (!ssh->use_pam) {
		f = jd_find(report, JD_ERROR, "sshd.no_pam", service->name, CONFIG, 0);
		jd_what(f, "UsePAM is no: sshd asks no PAM module, and the gate is open.");
		jd_fix(f, "Set UsePAM yes and restart sshd.");
		return;
	}
	judge_grace(report, service, helper_timeout_s, ssh);
	judge_methods(report, service, ssh, "");
}

static int run_sshd(const char *who, struct jd_ssh *ret, char *why, size_t why_size)
{
	const char *const command[] = {SSHD, "-T", who ? "-C" : NULL, who, NULL};
	struct jd_output output;
	int r = jd_run(command, RUN_MS, &output);

	if (r < 0) {
		snprintf(why, why_size, "%s", jd_run_trouble(r));
		return r;
	}
	output.errors[strcspn(output.errors, "\n")] = '\0';
	snprintf(why, why_size, "%s", output.errors[0] ? output.errors : "it failed");
	r = output.status == 0 ? 0 : -EINVAL;
	if (r == 0)
		jd_ssh_parse(output.text, ret);
	jd_output_clear(&output);
	return r;
}

/* The first plain name of "a,b*,!c": a wildcard or a negation names nobody. */
static void first_name(const char *list, char *buf, size_t size)
{
	size_t len = strcspn(list, ", \t\n");

	if (len && len < size && !memchr(list, '*', len) && !memchr(list, '?', len) && list[0] != '!') {
		memcpy(buf, list, len);
		buf[len] = '\0';
		buf[strcspn(buf, "/")] = '\0'; /* 192.0.2.0/24 */
	}
}

/* "Match User op1 Address 192.0.2.0/24": somebody of whom it speaks, as sshd -C wants them. */
static void who_matches(const char *criteria, char *buf, size_t size)
{
	char user[128] = "root", host[128] = "localhost", address[128] = "127.0.0.1", copy[512];
	char *rest = copy, *word, *kind = NULL;

	snprintf(copy, sizeof(copy), "%s", criteria);
	while ((word = strsep(&rest, " \t\n"))) {
		if (!*word)
			continue;
		if (!kind) {
			kind = word;
			continue;
		}
		if (strcasecmp(kind, "user") == 0)
			first_name(word, user, sizeof(user));
		else if (strcasecmp(kind, "host") == 0)
			first_name(word, host, sizeof(host));
		else if (strcasecmp(kind, "address") == 0)
			first_name(word, address, sizeof(address));
		kind = NULL;
	}
	snprintf(buf, size, "user=%s,host=%s,addr=%s", user, host, address);
}

/* What a Match block changes is judged for somebody whom it means. */
static void look_at_matches(struct jd_report *report, const struct jd_service *service, const struct jd_ssh *plain)
{
	JIT_FCLOSE FILE *file = jd_file_open(CONFIG);
	char line[512], who[512], why[256], match[640];
	unsigned matches = 0;

	while (file && matches < MATCH_MAX && fgets(line, sizeof(line), file)) {
		const char *at = line + strspn(line, " \t");
		struct jd_ssh other = *plain;

		if (strncasecmp(at, "match", 5) != 0 || !strpbrk(at, " \t") || strncasecmp(at + 6, "all", 3) == 0)
			continue;
		matches++;
		who_matches(at + 6, who, sizeof(who));
		if (run_sshd(who, &other, why, sizeof(why)) < 0 ||
		    (strcmp(other.methods, plain->methods) == 0 && other.interactive == plain->interactive))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(match, sizeof(match), "With `%.200s`: ", at);
		judge_methods(report, service, &other, match);
	}
}

void jd_ssh_look(struct jd_report *report, const struct jd_service *service, long helper_timeout_s, struct jd_ssh *ret)
{
	static const char *const version[] = {SSH, "-V", NULL};
	bool gated = service && jd_service_gated(service);
	struct jd_output output;
	char why[256];

	*ret = (struct jd_ssh){.installed = access(SSHD, X_OK) == 0, .methods = "any"};
	if (!ret->installed)
		return;
	if (jd_run(version, RUN_MS, &output) == 0) {
		jd_ssh_version(output.errors, ret);
		jd_output_clear(&output);
	}
	if (run_sshd(NULL, ret, why, sizeof(why)) < 0) {
		struct jd_finding *f =
			jd_find(report, gated ? JD_WARNING : JD_NOTE, "sshd.not_read", "sshd", CONFIG, 0);
		jd_what(f, "sshd's configuration could not be looked at: %s.", why);
		jd_fix(f, "Run: sshd -T");
		return;
	}
	jd_ssh_judge(report, service, helper_timeout_s, ret);
	if (gated)
		look_at_matches(report, service, ret);
}
