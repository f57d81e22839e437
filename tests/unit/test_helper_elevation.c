/* The session token and the session itself: both must fit, and only while the elevation's process lives. */
#include "unit.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elevation.h"
#include "helper.h"

static struct jh_helper helper;
static struct jh_peer owner, asker;
static struct jh_elevation elevation;
static uint8_t token[JIT_TOKEN_LEN];

/* An elevation whose process is this one, and a peer that is in its session. */
static int set_up(void **state)
{
	(void)state;
	memset(token, 0x5a, sizeof(token));
	owner = asker = (struct jh_peer){.fd = -1};
	assert_int_equal(jh_proc_read(getpid(), &owner.proc), 0);
	owner.pidfd = jh_pidfd_open(getpid());
	asker.proc = owner.proc;
	asker.pidfd = jh_pidfd_open(getpid());
	asker.uid = 0;
	elevation = (struct jh_elevation){
		.peer = &owner, .session = {.known = true, .audit = 7}, .target_uid = 0, .stands = true};
	asker.proc.audit_session = 7;
	SHA256(token, sizeof(token), elevation.hash);
	LIST_INIT(&helper.elevations);
	LIST_INSERT_HEAD(&helper.elevations, &elevation, link);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(owner.pidfd);
	close(asker.pidfd);
	return 0;
}

static const char *refusal_of(const struct jh_peer *peer)
{
	const char *refusal = NULL;

	assert_int_equal(jh_elevation_judge(&elevation, peer, &refusal), 0);
	return refusal;
}

static void the_token_finds_its_elevation_and_no_other_bytes_do(void **state)
{
	(void)state;
	assert_ptr_equal(jh_elevation_by_token(&helper, token), &elevation);
	for (size_t i = 0; i < sizeof(token); i++) {
		token[i] ^= 1;
		assert_null(jh_elevation_by_token(&helper, token));
		token[i] ^= 1;
	}
	memcpy(token, elevation.hash, sizeof(token)); /* the hash is no token */
	assert_null(jh_elevation_by_token(&helper, token));
}

static void a_token_that_was_not_taken_does_not_count(void **state)
{
	(void)state;
	elevation.stands = false;
	assert_null(jh_elevation_by_token(&helper, token));
	LIST_REMOVE(&elevation, link);
	elevation.stands = true;
	assert_null(jh_elevation_by_token(&helper, token));
}

static void user_and_audit_session_must_fit(void **state)
{
	(void)state;
	assert_null(refusal_of(&asker));
	asker.uid = 1000;
	assert_non_null(refusal_of(&asker));
	asker.uid = 0;
	asker.proc.audit_session = 8;
	assert_non_null(refusal_of(&asker));
	asker.proc.audit_session = JH_NO_AUDIT;
	assert_non_null(refusal_of(&asker));
}

static void without_audit_session_descent_decides(void **state)
{
	(void)state;
	elevation.session.audit = JH_NO_AUDIT;
	asker.proc.audit_session = JH_NO_AUDIT;
	assert_null(refusal_of(&asker));
	owner.proc.start++; /* another process had that number */
	assert_non_null(refusal_of(&asker));
	owner.proc.start--;
	asker.proc.pid = getppid(); /* above, not below */
	assert_non_null(refusal_of(&asker));
}

static int pidfd_of_the_dead(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	int fd = jh_pidfd_open(child);
	waitpid(child, NULL, 0);
	return fd;
}

static void a_dead_process_is_in_no_session(void **state)
{
	(void)state;
	close(asker.pidfd);
	asker.pidfd = pidfd_of_the_dead();
	assert_non_null(refusal_of(&asker));
	close(asker.pidfd);
	asker.pidfd = jh_pidfd_open(getpid());
	assert_null(refusal_of(&asker));
	close(owner.pidfd);
	owner.pidfd = pidfd_of_the_dead();
	assert_non_null(refusal_of(&asker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_token_finds_its_elevation_and_no_other_bytes_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_that_was_not_taken_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(user_and_audit_session_must_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_audit_session_descent_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_process_is_in_no_session, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
