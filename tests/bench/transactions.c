/*
 * What a module leaves in the process that called it: so many PAM transactions in one process, as a daemon that lives
 * long would make them.
 *
 *   transactions SERVICE USER COUNT PHASE    PHASE: auth, or account (account, open_session, close_session)
 *
 * Prints how many bytes of heap are in use more after the last one than after the first tenth of them. Run it with
 * GLIBC_TUNABLES=glibc.malloc.tcache_count=0, lest what malloc keeps for the next time count as in use.
 */
#include <malloc.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nobody reads what is said, and nobody answers. */
static int converse(int count, const struct pam_message **messages, struct pam_response **ret, void *arg)
{
	(void)messages;
	(void)arg;
	*ret = calloc((size_t)count, sizeof(**ret));
	return *ret ? PAM_SUCCESS : PAM_BUF_ERR;
}

static int transact(const char *service, const char *user, const char *phase)
{
	const struct pam_conv conv = {.conv = converse};
	pam_handle_t *pamh;
	int r = pam_start(service, user, &conv, &pamh);

	if (r != PAM_SUCCESS)
		return r;
	pam_set_item(pamh, PAM_RUSER, user);
	pam_set_item(pamh, PAM_TTY, "/dev/null");
	if (strcmp(phase, "auth") == 0) {
		r = pam_authenticate(pamh, 0);
	} else {
		r = pam_acct_mgmt(pamh, 0);
		pam_set_item(pamh, PAM_USER, "root");
		if (r == PAM_SUCCESS)
			r = pam_open_session(pamh, 0);
		if (r == PAM_SUCCESS)
			r = pam_close_session(pamh, 0);
	}
	pam_end(pamh, r);
	return r;
}

int main(int argc, char **argv)
{
	const int count = argc == 5 ? atoi(argv[3]) : 0;
	const struct passwd *user = argc == 5 ? getpwnam(argv[2]) : NULL;
	size_t before = 0;

	/* As sudo: root, with the real uid of who asks. */
	if (!user || count < 10 || setresuid(user->pw_uid, 0, 0) < 0)
		return 2;
	for (int i = 0; i < count; i++) {
		int r = transact(argv[1], argv[2], argv[4]);

		if (r != PAM_SUCCESS) {
			fprintf(stderr, "transactions: number %d ended with %d\n", i, r);
			return 1;
		}
		if (i + 1 == count / 10)
			before = mallinfo2().uordblks;
	}
	printf("%lld\n", (long long)mallinfo2().uordblks - (long long)before);
	return 0;
}
