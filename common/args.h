/*
 * The module's line in /etc/pam.d: its arguments, their ranges and defaults
 * (pam_jit(8), ARGUMENTS). A line that is not understood
 * to the last argument is refused whole: half of it could mean another gate.
 */
#ifndef PJ_ARGS_H
#define PJ_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PJ_TIMEOUT_MIN	   1	/* seconds */
#define PJ_TIMEOUT_MAX	   3600 /* seconds */
#define PJ_TIMEOUT_DEFAULT 300	/* seconds */
#define PJ_HELPER_USER	   "_jit"

/* How the application behaves: what it tells PAM, and what can be done in it. */
enum pj_app {
	PJ_SUDO,
	PJ_SU,
	PJ_SSHD,
	PJ_LOGIN,
	PJ_POLKIT, /* its agent's helper, and pkexec: both run by the person */
	PJ_OTHER,
};

/* The texts are argv's own and live as long as the PAM call. */
struct pj_args {
	enum pj_app app;
	uint32_t timeout;	    /* seconds to wait for a decision */
	const char *role;	    /* NULL: the helper's configuration decides */
	const char *socket;	    /* of jit-helper */
	const char *helper_user;    /* whom, besides root, the socket's listener may be */
	const char *exempt_user;    /* comma-separated names, or NULL */
	const char *exempt_group;   /* likewise */
	const char *exempt_service; /* likewise */
	bool has_login_grace;
	uint32_t login_grace; /* seconds, 0: none; instead of sshd_config's */
	bool observe;
	bool debug;
};

/*
 * Reads the line; `service` (PAM_SERVICE, may be NULL) decides about app, and
 * the line where it does not. 0, or -EINVAL with a sentence in `why` that names the argument.
 */
int pj_args_parse(int argc, const char *const *argv, const char *service, struct pj_args *ret, char *why,
		  size_t why_size);

/* By PAM_SERVICE, which may be NULL. PJ_OTHER: the line's app= may say better. */
enum pj_app pj_app_of_service(const char *service);

/* "sudo", "su", "sshd", "login", "polkit", "other": the words of app=. */
const char *pj_app_name(enum pj_app app);

/* True for what can be the name of a role or user: one word of clean text, as long as the protocol takes. */
bool pj_is_name(const char *s);

/* True where exempt_service names `service`, which may be NULL. */
bool pj_args_spare_service(const struct pj_args *args, const char *service);

#endif
