/*
 * A PAM application for the module's tests: a handle on a service of its own
 * (pam_start_confdir: no root, nothing of the host's PAM is touched), a
 * conversation that writes down what it is shown, and the module's log lines.
 *
 * Run as root the test takes the real uid of nobody, as under sudo: real uid of
 * the invoker, effective uid 0. Run by a user it is that user.
 */
#ifndef JIT_TEST_PAM_HOST_H
#define JIT_TEST_PAM_HOST_H

#include "../unit/unit.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

/* What the stack answers where the module said PAM_IGNORE: the code of the module below it. */
#define IGNORED PAM_CRED_UNAVAIL

struct host {
	pam_handle_t *pamh;
	struct pam_conv conv;
	const char *answer; /* to every prompt; NULL: nobody can be asked */
	char shown[8192];   /* "info: …\n", "error: …\n", "ask: …\n" (echo), "hidden: …\n" */
	unsigned lines;	    /* of them */
};

static struct {
	bool is_root;
	char user[256];	    /* who runs the test, by its real uid */
	char dir[PATH_MAX]; /* of this run: services and sockets */
	char module[PATH_MAX];
	char log[16384]; /* what the module wrote to its log */
} lab __attribute__((unused));

/* Stands in for libpam's, so that the host's log stays out of it and the tests can read the lines. */
__attribute__((visibility("default"), format(printf, 3, 4))) void pam_syslog(const pam_handle_t *pamh, int priority,
									     const char *format, ...);

void pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...)
{
	size_t len = strlen(lab.log);
	va_list ap;

	(void)pamh, (void)priority;
	va_start(ap, format);
	vsnprintf(lab.log + len, sizeof(lab.log) - len, format, ap);
	va_end(ap);
	strncat(lab.log, "\n", sizeof(lab.log) - strlen(lab.log) - 1);
}

static inline void write_down(struct host *h, const char *kind, const char *text)
{
	size_t len = strlen(h->shown);

	snprintf(h->shown + len, sizeof(h->shown) - len, "%s: %s\n", kind, text);
	h->lines++;
}

static inline int converse(int n, const struct pam_message **messages, struct pam_response **ret, void *data)
{
	struct host *h = data;
	struct pam_response *responses = calloc((size_t)n, sizeof(*responses));

	for (int i = 0; i < n; i++) {
		int style = messages[i]->msg_style;
		bool is_prompt = style == PAM_PROMPT_ECHO_ON || style == PAM_PROMPT_ECHO_OFF;

		if (strstr(messages[i]->msg, "=cred_unavail"))
			continue; /* pam_debug, below the module */
		write_down(h,
			   style == PAM_TEXT_INFO	 ? "info"
			   : style == PAM_ERROR_MSG	 ? "error"
			   : style == PAM_PROMPT_ECHO_ON ? "ask"
							 : "hidden",
			   messages[i]->msg);
		if (is_prompt && !h->answer) {
			free(responses);
			return PAM_CONV_ERR;
		}
		if (is_prompt)
			responses[i].resp = strdup(h->answer);
	}
	*ret = responses;
	return PAM_SUCCESS;
}

/* The stack shows PAM_IGNORE as IGNORED and every other code as it is. */
static inline void write_service(const char *service, const char *arguments)
{
	char path[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", lab.dir, service);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "auth [success=done ignore=ignore default=die] %s %s\n", lab.module, arguments);
	fprintf(f, "auth required pam_debug.so auth=cred_unavail cred=cred_unavail\n");
	fprintf(f, "account [success=done ignore=ignore default=die] %s %s\n", lab.module, arguments);
	fprintf(f, "account required pam_debug.so acct=cred_unavail\n");
	fprintf(f, "session [success=done ignore=ignore default=die] %s %s\n", lab.module, arguments);
	fprintf(f, "session required pam_debug.so open_session=cred_unavail close_session=cred_unavail\n");
	fprintf(f, "password [success=done ignore=ignore default=die] %s %s\n", lab.module, arguments);
	fprintf(f, "password required pam_debug.so prechauthtok=cred_unavail chauthtok=cred_unavail\n");
	assert_int_equal(fclose(f), 0);
}

/* A transaction of `service`; PAM_USER and PAM_RUSER are who runs the test. */
static inline void host_start(struct host *h, const char *service, const char *arguments)
{
	memset(h, 0, sizeof(*h));
	lab.log[0] = '\0';
	h->conv = (struct pam_conv){converse, h};
	h->answer = "because";
	write_service(service, arguments);
	assert_int_equal(pam_start_confdir(service, lab.user, &h->conv, lab.dir, &h->pamh), PAM_SUCCESS);
	assert_int_equal(pam_set_item(h->pamh, PAM_RUSER, lab.user), PAM_SUCCESS);
}

static inline void host_end(struct host *h)
{
	assert_int_equal(pam_end(h->pamh, PAM_SUCCESS), PAM_SUCCESS);
	h->pamh = NULL;
}

/* It was quick; under valgrind, which is no clock, quick enough not to have waited for a time-out. */
static inline void assert_within(int64_t began, int64_t ms)
{
	const char *preloaded = getenv("LD_PRELOAD");
	const int64_t slower = preloaded && strstr(preloaded, "vgpreload") ? 8 : 1;

	assert_true(jit_boottime_ms() - began < ms * slower);
}

static inline bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

#define assert_shown(h, line)                                                                                          \
	do {                                                                                                           \
		if (!has_line((h)->shown, line))                                                                       \
			fail_msg("expected the line \"%s\", came:\n%s", line, (h)->shown);                             \
	} while (0)

#define assert_says(text, part)                                                                                        \
	do {                                                                                                           \
		if (!strstr(text, part))                                                                               \
			fail_msg("expected \"%s\" in:\n%s", part, text);                                               \
	} while (0)

static inline unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Refused with one line to the person and one to the log. */
#define assert_refused(h, part)                                                                                        \
	do {                                                                                                           \
		assert_says((h)->shown, "error: jit: ");                                                               \
		assert_says((h)->shown, part);                                                                         \
		assert_int_equal((h)->lines, 1);                                                                       \
		assert_int_equal(count_lines(lab.log), 1);                                                             \
		assert_says(lab.log, part);                                                                            \
	} while (0)

static inline long session_ring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static inline long find_token(void)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "pam_jit:token", 0);
}

/* The module: PAM_JIT_MODULE, or the one built with this test. */
static inline void find_module(void)
{
	char self[PATH_MAX] = "";
	const char *given = getenv("PAM_JIT_MODULE");

	if (given) {
		assert_non_null(realpath(given, lab.module));
		return;
	}
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/../../pam_jit.so", dirname(self));
	assert_non_null(realpath(path, lab.module));
}

static inline int lab_set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	lab.is_root = geteuid() == 0;
	if (lab.is_root && getuid() == 0 && setresuid(NOBODY, 0, 0) < 0)
		return -1;
	const struct passwd *pw = getpwuid(getuid());
	if (!pw)
		return -1;
	snprintf(lab.user, sizeof(lab.user), "%s", pw->pw_name);
	snprintf(lab.dir, sizeof(lab.dir), "%s/jit-pam.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(lab.dir) || chmod(lab.dir, 0755) < 0)
		return -1;
	/* A ring of the test's own: the one it was started in stays as it is. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	find_module();
	write_service("other", "");
	return 0;
}

static inline int lab_tear_down(void **state)
{
	static const char *const files[] = {"sudo", "su", "sshd", "login", "other", "cron", "polkit-1", "pam.sock"};
	char path[PATH_MAX + 64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", lab.dir, files[i]);
		unlink(path);
	}
	return rmdir(lab.dir);
}

#endif
