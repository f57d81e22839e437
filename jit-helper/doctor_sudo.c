/* See doctor_sudo.h. */
#include "doctor_sudo.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json_object_iterator.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "doctor_file.h"
#include "doctor_run.h"
#include "json.h"
#include "text.h"

#define SUDO	   "/usr/bin/sudo"
#define CVTSUDOERS "/usr/bin/cvtsudoers"
#define SUDOERS	   "/etc/sudoers"
#define SUDOERS_D  "/etc/sudoers.d"
#define RUN_MS	   5000

/* The first line of a file that holds the text: cvtsudoers' JSON has no lines. 0: none. */
static unsigned line_with(const char *path, const char *text)
{
	JIT_FCLOSE FILE *file = jd_file_open(path);
	char line[4096];
	unsigned number = 0;

	while (file && fgets(line, sizeof(line), file)) {
		number++;
		if (line[strspn(line, " \t")] != '#' && strstr(line, text))
			return number;
	}
	return 0;
}

/* Where a setting is written, as far as a search of sudoers and sudoers.d finds it. */
static unsigned find_text(const char *text, char *path, size_t size)
{
	unsigned line = line_with(SUDOERS, text);
	struct dirent *entry;
	DIR *folder;

	snprintf(path, size, SUDOERS);
	if (line || !(folder = opendir(SUDOERS_D)))
		return line;
	while (!line && (entry = readdir(folder))) {
		snprintf(path, size, SUDOERS_D "/%s", entry->d_name);
		if (!strchr(entry->d_name, '.'))
			line = line_with(path, text);
	}
	closedir(folder);
	if (!line)
		snprintf(path, size, SUDOERS);
	return line;
}

/* "for user op1", "on host web-1": of whom a Defaults line speaks. Empty: of everybody. */
static void scope_of(struct json_object *entry, char *buf, size_t size)
{
	static const char *const kinds[][2] = {
		{"username", "user"},	   {"usergroup", "group"},   {"useralias", "user alias"},
		{"hostname", "host"},	   {"hostalias", "hosts"},   {"command", "command"},
		{"cmndalias", "commands"}, {"runasalias", "target"}, {"networkaddr", "network"},
	};
	struct json_object *binding, *value;
	size_t used = 0;

	buf[0] = '\0';
	if (!json_object_object_get_ex(entry, "Binding", &binding) || !json_object_is_type(binding, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(binding) && used < size; i++) {
		struct json_object *one = json_object_array_get_idx(binding, i);
		const char *kind = "some", *name = "";

		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			if (!json_object_object_get_ex(one, kinds[k][0], &value))
				continue;
			kind = kinds[k][1];
			name = json_object_get_string(value);
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s %s", used ? ", " : " for ", kind, name);
	}
}

static struct jd_finding *find_in_sudoers(struct jd_report *report, enum jd_severity severity, const char *code,
					  const char *text)
{
	char path[512];
	unsigned line = find_text(text, path, sizeof(path));

	return jd_find(report, severity, code, "sudo", path, line);
}

static void judge_option(struct jd_report *report, bool gated, const char *name, struct json_object *value,
			 const char *scope, struct jd_sudo *sudo)
{
	bool off = json_object_is_type(value, json_type_boolean) && !json_object_get_boolean(value);
	enum jd_severity severity = gated ? JD_ERROR : JD_NOTE;
	struct jd_finding *f;

	if (off && strcmp(name, "pam_acct_mgmt") == 0) {
		sudo->no_account = sudo->no_account || !scope[0];
		f = find_in_sudoers(report, severity, "sudo.no_account", "!pam_acct_mgmt");
		jd_what(f,
			"`Defaults !pam_acct_mgmt`%s: sudo does not run the account phase, which is the gate: nobody "
			"is asked.",
			scope);
		jd_fix(f, "Take !pam_acct_mgmt out of sudoers (visudo).");
	} else if (off && strcmp(name, "pam_session") == 0) {
		sudo->no_session = sudo->no_session || !scope[0];
		f = find_in_sudoers(report, severity, "sudo.no_session", "!pam_session");
		jd_what(f,
			"`Defaults !pam_session`%s: sudo runs no session phase: an approval for one target lets the "
			"person become any other, and there are no credentials.",
			scope);
		jd_fix(f, "Take !pam_session out of sudoers (visudo).");
	} else if (off && strcmp(name, "authenticate") == 0) {
		sudo->no_password = true;
	} else if (strcmp(name, "pam_service") == 0 || strcmp(name, "pam_login_service") == 0) {
		char *slot = strcmp(name, "pam_service") == 0 ? sudo->service : sudo->login;

		jit_text_clean_str(slot, sizeof(sudo->service), json_object_get_string(value));
		f = find_in_sudoers(report, JD_NOTE, "sudo.pam_service", name);
		jd_what(f, "sudo takes the PAM service %s%s (%s).", slot, scope, name);
	}
}

static void judge_options(struct jd_report *report, bool gated, struct json_object *entry, const char *scope,
			  struct jd_sudo *sudo)
{
	struct json_object *options;

	if (!json_object_object_get_ex(entry, "Options", &options) || !json_object_is_type(options, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(options); i++) {
		struct json_object *one = json_object_array_get_idx(options, i);

		if (!json_object_is_type(one, json_type_object))
			continue;
		struct json_object_iterator at = json_object_iter_begin(one), end = json_object_iter_end(one);
		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			judge_option(report, gated, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at),
				     scope, sudo);
	}
}

/* NOPASSWD stands on single commands. */
static void look_for_nopasswd(struct json_object *specs, struct jd_sudo *sudo)
{
	struct json_object *commands, *options, *value;

	for (size_t i = 0; i < json_object_array_length(specs); i++) {
		if (!json_object_object_get_ex(json_object_array_get_idx(specs, i), "Cmnd_Specs", &commands) ||
		    !json_object_is_type(commands, json_type_array))
			continue;
		for (size_t k = 0; k < json_object_array_length(commands); k++) {
			if (!json_object_object_get_ex(json_object_array_get_idx(commands, k), "Options", &options) ||
			    !json_object_is_type(options, json_type_array))
				continue;
			for (size_t n = 0; n < json_object_array_length(options); n++)
				if (json_object_object_get_ex(json_object_array_get_idx(options, n), "authenticate",
							      &value) &&
				    !json_object_get_boolean(value))
					sudo->no_password = true;
		}
	}
}

void jd_sudo_judge(struct jd_report *report, bool gated, struct json_object *sudoers, struct jd_sudo *sudo)
{
	struct json_object *list;
	char scope[256];

	if (json_object_object_get_ex(sudoers, "Defaults", &list) && json_object_is_type(list, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *entry = json_object_array_get_idx(list, i);

			scope_of(entry, scope, sizeof(scope));
			judge_options(report, gated, entry, scope, sudo);
		}
	}
	if (json_object_object_get_ex(sudoers, "User_Specs", &list) && json_object_is_type(list, json_type_array))
		look_for_nopasswd(list, sudo);
}

static void could_not_look(struct jd_report *report, bool gated, const char *why)
{
	struct jd_finding *f = jd_find(report, gated ? JD_WARNING : JD_NOTE, "sudo.not_read", "sudo", SUDOERS, 0);

	jd_what(f, "sudoers could not be looked at (%s), so nobody knows whether it switches the gate off.", why);
	jd_fix(f, "Look for !pam_acct_mgmt, !pam_session and pam_service in it by hand.");
}

/* Rules from elsewhere than files are not seen by cvtsudoers. */
static void judge_sources(struct jd_report *report, bool gated)
{
	JIT_FCLOSE FILE *file = jd_file_open("/etc/nsswitch.conf");
	char line[1024];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "sudoers:", 8) != 0 || (!strstr(line, "ldap") && !strstr(line, "sss")))
			continue;
		struct jd_finding *f = jd_find(report, gated ? JD_WARNING : JD_NOTE, "sudo.other_sources", "sudo",
					       "/etc/nsswitch.conf", 0);
		jd_what(f, "sudo's rules come from a directory too, which is not looked at.");
		jd_fix(f, "Make sure that no sudoOption there is !pam_acct_mgmt, !pam_session or pam_service.");
	}
}

static void read_version(struct jd_sudo *sudo)
{
	static const char *const command[] = {SUDO, "-V", NULL};
	static const char head[] = "Sudo version ";
	struct jd_output output;

	if (jd_run(command, RUN_MS, &output) < 0)
		return;
	if (strncmp(output.text, head, sizeof(head) - 1) == 0) {
		output.text[strcspn(output.text, "\n")] = '\0';
		jit_text_clean_str(sudo->version, sizeof(sudo->version), output.text + sizeof(head) - 1);
	}
	jd_output_clear(&output);
}

void jd_sudo_look(struct jd_report *report, bool gated, struct jd_sudo *ret)
{
	static const char *const command[] = {CVTSUDOERS, "-f", "json", SUDOERS, NULL};
	struct jd_output output;

	*ret = (struct jd_sudo){.installed = access(SUDO, X_OK) == 0, .service = "sudo", .login = "sudo-i"};
	if (!ret->installed)
		return;
	read_version(ret);
	judge_sources(report, gated);
	int r = jd_run(command, RUN_MS, &output);
	if (r < 0) {
		could_not_look(report, gated, r == -ENOENT ? "cvtsudoers is not installed" : jd_run_trouble(r));
		return;
	}
	JIT_JSON struct json_object *sudoers = output.status == 0 ? json_tokener_parse(output.text) : NULL;
	if (!sudoers) {
		output.errors[strcspn(output.errors, "\n")] = '\0';
		could_not_look(report, gated, output.errors[0] ? output.errors : "cvtsudoers failed");
	} else {
		ret->looked = true;
		jd_sudo_judge(report, gated, sudoers, ret);
	}
	jd_output_clear(&output);
}
