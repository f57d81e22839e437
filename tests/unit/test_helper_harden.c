/* What twelve hundred sessions want is there: locked memory for their credentials, and descriptors. */
#include "unit.h"

#include <openssl/crypto.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harden.h"

#define SESSIONS    1200
#define OF_SESSION  4	      /* its connection, its process, its terminal, its grant's leader */
#define OF_OTHERS   (2 * 256) /* connections to session.sock, with their processes */
#define CREDENTIALS 1500      /* bytes, with a session token of 1 kB */
#define KEY	    64

static void the_secure_heap_holds_credentials_and_a_key_for_each(void **state)
{
	char why[256] = "";

	(void)state;
	if (jh_harden_secrets(why, sizeof(why)) < 0) {
		print_message("%s\n", why);
		skip();
	}
	for (int i = 0; i < SESSIONS; i++)
		assert_true(OPENSSL_secure_malloc(CREDENTIALS) && OPENSSL_secure_malloc(KEY));
	CRYPTO_secure_malloc_done();
}

static int start_with_few(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	limit.rlim_cur = 1024;
	if (limit.rlim_max <= SESSIONS * OF_SESSION + OF_OTHERS)
		return 0;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || jh_harden_start(0) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1;
	return limit.rlim_cur > SESSIONS * OF_SESSION + OF_OTHERS ? 0 : 2;
}

static void descriptors_are_raised_to_what_they_take(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(start_with_few());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_secure_heap_holds_credentials_and_a_key_for_each),
		cmocka_unit_test(descriptors_are_raised_to_what_they_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
