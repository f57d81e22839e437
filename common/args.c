/* See args.h. */
#include "args.h"

#include "grace.h"
#include "proto.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const char *const app_names[] = {
	[PJ_SUDO] = "sudo",   [PJ_SU] = "su",	      [PJ_SSHD] = "sshd",
	[PJ_LOGIN] = "login", [PJ_POLKIT] = "polkit", [PJ_OTHER] = "other",
};

#define APPS (sizeof(app_names) / sizeof(app_names[0]))

const char *pj_app_name(enum pj_app app)
{
	return app_names[app];
}

enum pj_app pj_app_of_service(const char *service)
{
	static const struct {
		const char *service;
		enum pj_app app;
	} known[] = {
		{"sudo", PJ_SUDO}, {"sudo-i", PJ_SUDO}, {"su", PJ_SU},		 {"su-l", PJ_SU},
		{"sshd", PJ_SSHD}, {"login", PJ_LOGIN}, {"polkit-1", PJ_POLKIT},
	};

	for (size_t i = 0; service && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(service, known[i].service) == 0)
			return known[i].app;
	return PJ_OTHER;
}

/* What an argument must look like; NULL when it does, otherwise the end of a sentence. */

/* args->app is the service's. What is known for one application and taken for another would let pass whoever comes:
 * the real uid, which says who runs sudo, is root's in every sshd. */
static const char *set_app(struct pj_args *args, const char *value)
{
	for (size_t i = 0; i < APPS; i++) {
		if (strcmp(value, app_names[i]) != 0)
			continue;
		if (args->app != PJ_OTHER && args->app != (enum pj_app)i)
			return "does not fit this service, which is known without it: leave app= away";
		args->app = (enum pj_app)i;
		return NULL;
	}
	return "must be sudo, su, sshd, login, polkit or other";
}

bool pj_is_name(const char *s)
{
	char clean[JIT_NAME_SIZE];

	jit_text_clean_str(clean, sizeof(clean), s);
	return *s && !strpbrk(s, " \t") && strcmp(clean, s) == 0;
}

static const char *set_role(struct pj_args *args, const char *value)
{
	args->role = value;
	return pj_is_name(value) ? NULL : "must be the name of a role";
}

static const char *set_timeout(struct pj_args *args, const char *value)
{
	uint64_t seconds;

	if (jit_parse_duration(value, PJ_TIMEOUT_MAX, &seconds) < 0 || seconds < PJ_TIMEOUT_MIN)
		return "must be a duration from 1s to 1h, such as 300 or 5m";
	args->timeout = (uint32_t)seconds;
	return NULL;
}

static const char *set_socket(struct pj_args *args, const char *value)
{
	args->socket = value;
	if (value[0] != '/' || strlen(value) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return "must be an absolute path of at most 107 bytes";
	return NULL;
}

static const char *set_helper_user(struct pj_args *args, const char *value)
{
	args->helper_user = value;
	return pj_is_name(value) ? NULL : "must be the name of a user";
}

/* "a,b": an empty name or a blank is a slip of the pen that would exempt somebody else than was meant. */
static bool is_list(const char *value)
{
	size_t len = strlen(value);

	return len && value[0] != ',' && value[len - 1] != ',' && !strstr(value, ",,") && !strpbrk(value, " \t");
}

static const char *set_exempt_user(struct pj_args *args, const char *value)
{
	args->exempt_user = value;
	return is_list(value) ? NULL : "must be user names separated by commas, without blanks";
}

static const char *set_exempt_group(struct pj_args *args, const char *value)
{
	args->exempt_group = value;
	return is_list(value) ? NULL : "must be group names separated by commas, without blanks";
}

static const char *set_exempt_service(struct pj_args *args, const char *value)
{
	args->exempt_service = value;
	return is_list(value) ? NULL : "must be names of PAM services separated by commas, without blanks";
}

static const char *set_login_grace(struct pj_args *args, const char *value)
{
	args->has_login_grace = true;
	return pj_grace_parse(value, &args->login_grace) == 0
		       ? NULL
		       : "must be a time as in sshd_config, such as 120, 2m or 0 for none";
}

static const char *set_observe(struct pj_args *args, const char *value)
{
	(void)value;
	args->observe = true;
	return NULL;
}

static const char *set_debug(struct pj_args *args, const char *value)
{
	(void)value;
	args->debug = true;
	return NULL;
}

static const struct {
	const char *name;
	bool has_value;
	const char *(*set)(struct pj_args *args, const char *value);
} known_args[] = {
	{"app", true, set_app},
	{"role", true, set_role},
	{"timeout", true, set_timeout},
	{"socket", true, set_socket},
	{"helper_user", true, set_helper_user},
	{"exempt_user", true, set_exempt_user},
	{"exempt_group", true, set_exempt_group},
	{"exempt_service", true, set_exempt_service},
	{"login_grace", true, set_login_grace},
	{"observe", false, set_observe},
	{"debug", false, set_debug},
};

#define KNOWN (sizeof(known_args) / sizeof(known_args[0]))

/* One argument. *seen has a bit for each name that has stood on the line. */
static const char *set_arg(struct pj_args *args, const char *arg, unsigned *seen)
{
	size_t name_len = strcspn(arg, "=");
	bool has_value = arg[name_len] == '=';

	for (size_t i = 0; i < KNOWN; i++) {
		if (strlen(known_args[i].name) != name_len || memcmp(known_args[i].name, arg, name_len) != 0)
			continue;
		if (*seen & 1U << i)
			return "stands there twice";
		*seen |= 1U << i;
		if (has_value != known_args[i].has_value)
			return has_value ? "takes no value" : "needs a value";
		return known_args[i].set(args, arg + name_len + (has_value ? 1 : 0));
	}
	return "is not known";
}

int pj_args_parse(int argc, const char *const *argv, const char *service, struct pj_args *ret, char *why,
		  size_t why_size)
{
	unsigned seen = 0;
	struct pj_args args = {
		.app = pj_app_of_service(service),
		.timeout = PJ_TIMEOUT_DEFAULT,
		.socket = JIT_PAM_SOCKET,
		.helper_user = PJ_HELPER_USER,
	};

	for (int i = 0; i < argc; i++) {
		const char *wrong = set_arg(&args, argv[i], &seen);

		if (wrong) {
			char arg[64];

			jit_text_clean_str(arg, sizeof(arg), argv[i]);
			snprintf(why, why_size,
				 "this host's PAM configuration is broken: the argument \"%s\" of pam_jit.so %s", arg,
				 wrong);
			return -EINVAL;
		}
	}
	*ret = args;
	return 0;
}

bool pj_args_spare_service(const struct pj_args *args, const char *service)
{
	size_t len = service ? strlen(service) : 0, name_len;

	for (const char *at = args->exempt_service; at && *at; at += name_len + (at[name_len] == ',')) {
		name_len = strcspn(at, ",");
		if (len && name_len == len && memcmp(at, service, len) == 0)
			return true;
	}
	return false;
}
