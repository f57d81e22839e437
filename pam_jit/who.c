/* See who.h. */
#include "who.h"

#include "text.h"
#include "user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *item(pam_handle_t *pamh, int type)
{
	const void *value = NULL;

	if (pam_get_item(pamh, type, &value) != PAM_SUCCESS || !value)
		return "";
	return value;
}

/* Names go to the helper as they are or not at all: a cut or altered one could be somebody else's. */
static int copy_name(char *buf, size_t size, const char *name, const char *what, char *why, size_t why_size)
{
	jit_text_clean_str(buf, size, name);
	if (strcmp(buf, name) == 0)
		return 0;
	snprintf(why, why_size, "the name of the %s has characters that a name cannot have, or is too long", what);
	return -EINVAL;
}

static int set_requester(struct pj_who *who, const struct pj_user *user, char *why, size_t why_size)
{
	who->uid = user->uid;
	who->gid = user->gid;
	return copy_name(who->requester, sizeof(who->requester), user->name, "requester", why, why_size);
}

/*
 * sudo, su and whatever else a person has started: the kernel knows the real uid, PAM_RUSER has to agree. sudoedit
 * alone has become root altogether when it opens the session (`may_be_root`): PAM_RUSER is then the word of a process
 * that could say so of anybody.
 */
static int find_invoker(const char *ruser, bool must_name, bool may_be_root, struct pj_who *who, char *why,
			size_t why_size)
{
	struct pj_user user;
	unsigned uid = getuid();

	if (!*ruser && must_name) {
		snprintf(why, why_size, "the application does not tell PAM who asks (PAM_RUSER); uid %u does", uid);
		return -EINVAL;
	}
	int r = *ruser ? pj_user_by_name(ruser, &user) : pj_user_by_uid(uid, &user);
	if (r < 0) {
		snprintf(why, why_size, "the account of uid %u, who asks, cannot be found: %s", uid, strerror(-r));
		return -EINVAL;
	}
	if (user.uid != uid && !(may_be_root && uid == 0)) {
		snprintf(why, why_size, "the application says that %s asks, but the kernel says uid %u", user.name,
			 uid);
		return -EINVAL;
	}
	return set_requester(who, &user, why, why_size);
}

/* sshd and login: who logs in is who asks. */
static int find_login(const char *name, struct pj_who *who, char *why, size_t why_size)
{
	struct pj_user user;
	int r = *name ? pj_user_by_name(name, &user) : -ENOENT;

	if (r < 0) {
		snprintf(why, why_size, "the account that logs in cannot be found: %s",
			 r == -ENOENT ? "no such user" : strerror(-r));
		return -EINVAL;
	}
	return set_requester(who, &user, why, why_size);
}

bool pj_who_is_login(enum pj_app app)
{
	return app == PJ_SSHD || app == PJ_LOGIN || (app == PJ_OTHER && getuid() == 0);
}

/* polkit from 0.127 on starts the helper through a socket, as root, for everybody alike. */
static int refuse_polkit(char *why, size_t why_size)
{
	snprintf(why, why_size,
		 "polkit runs its helper as root here, so that it cannot be told who asks; use sudo, or let this "
		 "host's operator exempt the service (exempt_service=)");
	return -EINVAL;
}

static int find_requester(pam_handle_t *pamh, enum pj_phase phase, enum pj_app app, struct pj_who *who, char *why,
			  size_t why_size)
{
	const char *ruser = item(pamh, PAM_RUSER);
	bool is_sudo = app == PJ_SUDO;

	if (app == PJ_POLKIT && phase == PJ_ACCOUNT && getuid() == 0)
		return refuse_polkit(why, why_size);
	if (pj_who_is_login(app))
		return find_login(item(pamh, PAM_USER), who, why, why_size);
	/* polkit's helper puts the target there too. */
	if (app == PJ_POLKIT && strcmp(ruser, item(pamh, PAM_USER)) == 0)
		ruser = "";
	return find_invoker(ruser, is_sudo, is_sudo && phase == PJ_OPEN, who, why, why_size);
}

/* sudo hooks getenv and shows its own variables there: the person's stand in environ. NULL where it does not. */
static const char *find_environ(const char *name)
{
	size_t len = strlen(name);

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

static void copy_environ(char *buf, size_t size, const char *name)
{
	jit_text_clean_str(buf, size, find_environ(name));
}

/* A role that was cut or altered could be another one. */
int pj_who_find_role(const struct pj_args *args, struct pj_who *who, char *why, size_t why_size)
{
	const char *role = args->app == PJ_SUDO || args->app == PJ_SU ? find_environ("JIT_ROLE") : NULL;

	if (args->role || !role || !*role)
		return 0;
	if (!pj_is_name(role)) {
		snprintf(why, why_size,
			 "JIT_ROLE is no name of a role: one word, such as JIT_ROLE=admin; set it anew or unset it");
		return -EINVAL;
	}
	jit_text_clean_str(who->role, sizeof(who->role), role);
	return 0;
}

/* Told by the person's own process, and shown to the approver as such. */
static void find_circumstances(enum pj_app app, struct pj_who *who)
{
	char cwd[JIT_COMMAND_SIZE];

	if (app != PJ_SUDO && app != PJ_SU)
		return;
	if (app == PJ_SUDO)
		jit_text_clean_str(who->command, sizeof(who->command), getenv("SUDO_COMMAND"));
	if (getcwd(cwd, sizeof(cwd)))
		jit_text_clean_str(who->cwd, sizeof(who->cwd), cwd);
	copy_environ(who->reason, sizeof(who->reason), "JIT_REASON");
	copy_environ(who->ticket, sizeof(who->ticket), "JIT_TICKET");
	const char *glass = find_environ("JIT_BREAK_GLASS");
	who->wants_glass = glass && strcmp(glass, "yes") == 0;
}

/* "": the application does not say. */
static const char *find_target(pam_handle_t *pamh, enum pj_phase phase, enum pj_app app)
{
	/* In account sudo's PAM_USER is still the invoker. */
	if (app == PJ_SUDO && phase == PJ_ACCOUNT)
		return "";
	/* polkit's is whoever has a password to show, be it the invoker's own: what it lets be done is done as root. */
	if (app == PJ_POLKIT && phase == PJ_ACCOUNT)
		return "root";
	return item(pamh, PAM_USER);
}

int pj_who_find(pam_handle_t *pamh, enum pj_phase phase, const struct pj_args *args, struct pj_who *ret, char *why,
		size_t why_size)
{
	enum pj_app app = args->app;

	memset(ret, 0, sizeof(*ret));
	jit_text_clean_str(ret->service, sizeof(ret->service), item(pamh, PAM_SERVICE));
	jit_text_clean_str(ret->tty, sizeof(ret->tty), item(pamh, PAM_TTY));
	jit_text_clean_str(ret->rhost, sizeof(ret->rhost), item(pamh, PAM_RHOST));
	if (find_requester(pamh, phase, app, ret, why, why_size) < 0)
		return -EINVAL;
	const char *target = find_target(pamh, phase, app);
	if (copy_name(ret->target, sizeof(ret->target), target, "target user", why, why_size) < 0)
		return -EINVAL;
	if (!*target && (app != PJ_SUDO || phase == PJ_OPEN)) {
		snprintf(why, why_size, "the application does not tell PAM which user is to be become");
		return -EINVAL;
	}
	if (phase == PJ_ACCOUNT)
		find_circumstances(app, ret);
	return 0;
}

bool pj_who_is_root(enum pj_app app, const struct pj_who *who)
{
	return (app == PJ_SUDO || app == PJ_SU) && who->uid == 0;
}

bool pj_who_runs_nothing(enum pj_app app, const struct pj_who *who)
{
	/* A command that is run stands there with a slash in it: neither word can be one. */
	return app == PJ_SUDO && (strcmp(who->command, "list") == 0 || strcmp(who->command, "validate") == 0);
}

/* The next name of "a,b,c" at *list, which moves past it. False at the end. */
static bool next_name(const char **list, char *buf, size_t size)
{
	size_t len;

	do {
		len = strcspn(*list, ",");
		if (len == 0)
			return false;
		if (len < size) {
			memcpy(buf, *list, len);
			buf[len] = '\0';
		}
		*list += len + ((*list)[len] == ',');
	} while (len >= size);
	return true;
}

bool pj_who_is_exempt(const struct pj_args *args, const struct pj_who *who, char *by, size_t by_size)
{
	char name[JIT_NAME_SIZE];
	const char *users = args->exempt_user ? args->exempt_user : "";
	const char *groups = args->exempt_group ? args->exempt_group : "";

	while (next_name(&users, name, sizeof(name))) {
		if (strcmp(name, who->requester) == 0) {
			snprintf(by, by_size, "user %s", name);
			return true;
		}
	}
	while (next_name(&groups, name, sizeof(name))) {
		if (pj_user_in_group(who->requester, who->gid, name)) {
			snprintf(by, by_size, "group %s", name);
			return true;
		}
	}
	return false;
}
