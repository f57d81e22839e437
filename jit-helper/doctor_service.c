/* See doctor_service.h. */
#include "doctor_service.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_file.h"
#include "doctor_walk.h"

#define POLKIT_SOCKET "/usr/lib/systemd/system/polkit-agent-helper.socket"

/* Named also where they have no gate. `program`: without it the service's file means nothing. */
static const struct {
	const char *service, *program;
} doors[] = {
	{"sudo", "/usr/bin/sudo"},	 {"sudo-i", "/usr/bin/sudo"}, {"su", "/usr/bin/su"},
	{"su-l", "/usr/bin/su"},	 {"sshd", "/usr/sbin/sshd"},  {"login", "/usr/bin/login"},
	{"polkit-1", "/usr/bin/pkexec"}, {"cron", "/usr/sbin/cron"},  {"systemd-user", "/usr/lib/systemd/systemd"},
};
#define DOORS (sizeof(doors) / sizeof(doors[0]))

static const char *const folders[] = {"/etc/pam.d", "/usr/lib/pam.d"};

static const char *program_of(const char *service)
{
	for (size_t i = 0; i < DOORS; i++)
		if (strcmp(doors[i].service, service) == 0)
			return doors[i].program;
	return NULL;
}

struct jd_service *jd_services_find(const struct jd_services *services, const char *name)
{
	for (size_t i = 0; i < services->count; i++)
		if (strcmp(services->list[i]->name, name) == 0)
			return services->list[i];
	return NULL;
}

bool jd_services_gated(const struct jd_services *services, const char *name)
{
	for (size_t i = 0; i < services->count; i++) {
		const struct jd_service *s = services->list[i];

		if (jd_service_gated(s) && !jd_service_spared(s) && (!name || strcmp(s->name, name) == 0))
			return true;
	}
	return false;
}

/* Keeps a service that has a gate, or that is a door of its own. 0 or -ENOMEM. */
static int add(struct jd_services *services, const struct jd_pam_source *from, const char *name, bool always)
{
	struct jd_pam_stack *stack;
	struct jd_service *s;

	if (services->count == JD_SERVICES_MAX || strlen(name) >= sizeof(s->name) || jd_services_find(services, name))
		return 0;
	if (jd_pam_read(name, from->open, from->arg, &stack) < 0 || jd_service_new(name, stack, &s) < 0)
		return -ENOMEM;
	if (!always && (!jd_service_gated(s) || stack->missing)) {
		jd_service_free(s);
		return 0;
	}
	services->list[services->count++] = s;
	return 0;
}

bool jd_service_is_name(const char *name)
{
	return name[0] != '.' && strncmp(name, "common-", 7) != 0 && !strchr(name, '~') && !strchr(name, '.') &&
	       strcmp(name, "other") != 0;
}

static int add_folder(struct jd_services *services, const struct jd_pam_source *from, const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int r = 0;

	while (folder && r == 0 && (entry = readdir(folder)))
		if (jd_service_is_name(entry->d_name))
			r = add(services, from, entry->d_name, false);
	if (folder)
		closedir(folder);
	return r;
}

int jd_services_read(const struct jd_pam_source *from, struct jd_services *ret)
{
	int r = 0;

	ret->count = 0;
	for (size_t i = 0; i < DOORS && r == 0; i++)
		if (access(doors[i].program, X_OK) == 0)
			r = add(ret, from, doors[i].service, true);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++)
		r = add_folder(ret, from, folders[i]);
	if (r < 0)
		jd_services_free(ret);
	return r;
}

void jd_services_free(struct jd_services *services)
{
	for (size_t i = 0; i < services->count; i++)
		jd_service_free(services->list[i]);
	services->count = 0;
}

/* `open` stands open beside `gated`, and leads to the same place. */
static const struct {
	const char *open, *gated, *example, *why;
} bypasses[] = {
	{"sudo-i", "sudo", "sudo", "`sudo -i` takes the PAM service sudo-i"},
	{"polkit-1", "sudo", "polkit-1", "whom polkit lets authenticate gets a root shell by `pkexec`"},
	{"su-l", "su", "su", "`su -` takes the PAM service su-l"},
	{"su", "su-l", "su", "`su` takes the PAM service su"},
	{"sudo", "sudo-i", "sudo", "`sudo` takes the PAM service sudo"},
};

static void judge_open_door(struct jd_report *report, const struct jd_services *services, const struct jd_service *s)
{
	const char *file = jd_service_file(s);
	struct jd_finding *f;

	for (size_t i = 0; i < sizeof(bypasses) / sizeof(bypasses[0]); i++) {
		if (strcmp(bypasses[i].open, s->name) != 0 || !jd_services_gated(services, bypasses[i].gated))
			continue;
		/* Told to whoever asks about either of the two. */
		bool other = report->only && strcmp(report->only, bypasses[i].gated) == 0;
		f = jd_find(report, JD_ERROR, "service.bypass", other ? bypasses[i].gated : s->name, file, 0);
		jd_what(f, "%s is gated and %s is not: %s.", bypasses[i].gated, s->name, bypasses[i].why);
		jd_fix(f,
		       "Run: jit-helper pam enable %s; or put both pam_jit.so lines into /etc/pam.d/%s by hand, as in "
		       "examples/%s.example.",
		       s->name, s->name, bypasses[i].example);
		return;
	}
	f = jd_find(report, JD_NOTE, "service.ungated", s->name, file, 0);
	jd_what(f, "%s is not gated: whoever passes it is not asked.", s->name);
}

static bool spares_somebody(const struct jd_service *s)
{
	return s->args_good && (jd_service_spared(s) || s->args.exempt_user || s->args.exempt_group);
}

static void judge_glass(struct jd_report *report, const char *group)
{
	const struct group *found = getgrnam(group);
	struct jd_finding *f;

	if (!found) {
		f = jd_find(report, JD_WARNING, "lockout.glass", NULL, "/etc/group", 0);
		jd_what(f, "The break-glass group %s does not exist: nobody gets in when no broker answers.", group);
		jd_fix(f, "groupadd --system %s, and put into it who may.", group);
		return;
	}
	f = jd_find(report, JD_NOTE, "lockout.glass", NULL, NULL, 0);
	jd_what(f, "Members of %s may go on without an approval when no broker answers%s.", group,
		found->gr_mem[0] ? "" : "; /etc/group names none");
}

/* The ways in that are left when no broker answers. */
static void judge_lockout(struct jd_report *report, const struct jd_services *services,
			  const struct jd_knowledge *known)
{
	const struct jd_service *sshd = jd_services_find(services, "sshd"),
				*login = jd_services_find(services, "login");
	bool ssh_shut = sshd && sshd->account && !spares_somebody(sshd);
	bool login_shut = !login || (login->account && !spares_somebody(login));
	const char *glass = known->probe.document ? known->probe.glass : "";
	struct jd_finding *f;

	if (glass[0]) {
		judge_glass(report, glass);
		return;
	}
	if (ssh_shut && login_shut) {
		f = jd_find(report, JD_WARNING, "lockout.all", NULL, jd_service_file(sshd), 0);
		jd_what(f,
			"When no broker answers nobody can log in, root neither: sshd and login are gated, nobody is "
			"exempt, and there is no break-glass group.");
		jd_fix(f, "Set break_glass_group in jit-helper.conf, or exempt_user=root on login's two lines.");
	} else if (ssh_shut) {
		f = jd_find(report, JD_NOTE, "lockout.ssh", NULL, jd_service_file(sshd), 0);
		jd_what(f,
			"When no broker answers nobody can log in over ssh, root neither; the console (login) stays.");
		jd_fix(f, "Set break_glass_group in jit-helper.conf if the console is far away.");
	} else if (jd_services_gated(services, "sudo")) {
		f = jd_find(report, JD_NOTE, "lockout.sudo", NULL, NULL, 0);
		jd_what(f, "When no broker answers nobody becomes root by sudo; there is no break-glass group.");
	}
}

/* sudo may take other services than sudo and sudo-i. */
static void judge_sudo_services(struct jd_report *report, const struct jd_services *services,
				const struct jd_sudo *sudo)
{
	const char *const used[] = {sudo->service, sudo->login};

	if (!sudo->looked || !jd_services_gated(services, "sudo"))
		return;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		if (strcmp(used[i], "sudo") == 0 || strcmp(used[i], "sudo-i") == 0 ||
		    jd_services_gated(services, used[i]))
			continue;
		struct jd_finding *f = jd_find(report, JD_ERROR, "sudo.other_service", "sudo", "/etc/sudoers", 0);
		jd_what(f, "sudo takes the PAM service %s, which is not gated.", used[i]);
		jd_fix(f, "Put both pam_jit.so lines into /etc/pam.d/%s, or take pam_service out of sudoers.", used[i]);
	}
}

/* Debian's login has switched its alarm off before account; another's may still run, and which login this is nobody
 * tells. */
static void judge_login_timeout(struct jd_report *report, const struct jd_service *s)
{
	FILE *file =
		strcmp(s->name, "login") == 0 && s->account && s->args_good ? jd_file_open("/etc/login.defs") : NULL;
	char line[512];
	unsigned number = 0, at = 0;
	long limit = 60;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (strncmp(line, "LOGIN_TIMEOUT", 13) != 0 || !strpbrk(line, " \t"))
			continue;
		limit = strtol(line + 13, NULL, 10);
		at = number;
	}
	fclose(file);
	if (limit <= 0 || limit > (long)s->args.timeout)
		return;
	struct jd_finding *f = jd_find(report, JD_NOTE, "login.timeout", s->name, "/etc/login.defs", at);
	jd_what(f,
		"LOGIN_TIMEOUT is %ld s, and the gate waits up to %u s for a decision. Debian's login counts the "
		"password alone; where another login counts on, it refuses before that.",
		limit, (unsigned)s->args.timeout);
	jd_fix(f, "There, set LOGIN_TIMEOUT to %u or more, or timeout= below %ld on both pam_jit.so lines.",
	       (unsigned)s->args.timeout + 30, limit);
}

/* polkit 0.127 and later may start its helper by a socket, as root for everybody: who asks is then not known. */
static void judge_polkit(struct jd_report *report, const struct jd_service *s)
{
	if (s->app != PJ_POLKIT || jd_service_spared(s) || access(POLKIT_SOCKET, F_OK) < 0)
		return;
	const struct jd_pam_line *line = s->account ? s->account : s->session;
	struct jd_finding *f = jd_find(report, JD_WARNING, "polkit.root", s->name, line->file, line->line);
	jd_what(f, "polkit starts its helper as root here (%s): the gate cannot tell who asks, and refuses everybody.",
		POLKIT_SOCKET);
	jd_fix(f,
	       "Use sudo in pkexec's place; or write exempt_service=polkit-1 on both lines, and whom polkit lets pass "
	       "passes.");
}

void jd_services_judge(struct jd_report *report, const struct jd_services *services, const struct jd_knowledge *known)
{
	for (size_t i = 0; i < services->count; i++) {
		const struct jd_service *s = services->list[i];

		if (!jd_service_gated(s)) {
			judge_open_door(report, services, s);
			continue;
		}
		judge_login_timeout(report, s);
		judge_polkit(report, s);
		const char *program = program_of(s->name);
		if (program && access(program, X_OK) < 0)
			jd_what(jd_find(report, JD_NOTE, "service.unused", s->name, jd_service_file(s), 0),
				"%s is gated but %s is not installed.", s->name, program);
	}
	judge_sudo_services(report, services, &known->sudo);
	judge_lockout(report, services, known);
}
