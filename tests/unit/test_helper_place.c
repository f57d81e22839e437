/* Where a login session comes from, as far as what is open in it tells. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "grant.h"
#include "helper.h"
#include "peer.h"
#include "place.h"
#include "request.h"

static void a_grant_whose_place_nobody_knew_does_not_hide_one_that_is_known(void **state)
{
	static struct jh_helper helper;
	static struct jh_grant known, unknown;
	struct jh_session session = {.known = true, .uid = 1001, .audit = 7};
	struct jh_peer peer = {.helper = &helper, .fd = -1, .pidfd = -1};

	(void)state;
	known.session = unknown.session = session;
	snprintf(known.session.place, sizeof(known.session.place), "desk.example");
	LIST_INSERT_HEAD(&helper.grants, &known, link);
	LIST_INSERT_HEAD(&helper.grants, &unknown, link);
	jh_place_find(&peer, NULL, &session);
	assert_string_equal(session.place, "desk.example");
}

/* logind, as far as it is asked. */
static struct {
	bool runs;
	uid_t uid;
	int remote; /* or -errno */
	const char *host;
} logind = {.runs = true, .uid = 1001, .remote = 1, .host = "desk.example"};

int access(const char *path, int mode)
{
	assert_string_equal(path, "/run/systemd/sessions");
	assert_int_equal(mode, F_OK);
	return logind.runs ? 0 : -1;
}

int sd_pid_get_session(pid_t pid, char **ret)
{
	assert_int_equal(pid, getpid());
	*ret = strdup("7");
	return *ret ? 0 : -ENOMEM;
}

int sd_session_get_uid(const char *session, uid_t *ret)
{
	assert_string_equal(session, "7");
	*ret = logind.uid;
	return 0;
}

int sd_session_is_remote(const char *session)
{
	assert_string_equal(session, "7");
	return logind.remote;
}

int sd_session_get_remote_host(const char *session, char **ret)
{
	assert_string_equal(session, "7");
	if (!logind.host)
		return -ENODATA;
	*ret = strdup(logind.host);
	return *ret ? 0 : -ENOMEM;
}

static void assert_place(const char *expected)
{
	static struct jh_helper helper;
	struct jh_session session = {.known = true, .uid = 1001, .audit = 7};
	struct jh_peer peer = {.helper = &helper,
			       .fd = -1,
			       .pidfd = -1,
			       .looked_login = true,
			       .proc = {.pid = getpid(), .audit_session = 7, .login_uid = 1001}};

	jh_place_find(&peer, NULL, &session);
	assert_string_equal(session.place, expected);
}

static void logind_says_where_a_session_comes_from(void **state)
{
	(void)state;
	assert_place("desk.example");
	logind.remote = 0;
	assert_place(JH_PLACE_LOCAL);
	logind.remote = -EIO;
	assert_place("");
	logind.remote = 1;
}

static void what_logind_does_not_know_or_says_of_another_is_no_place(void **state)
{
	(void)state;
	logind.uid = 1002; /* moved into another's session */
	assert_place("");
	logind.uid = 1001;
	logind.host = NULL;
	assert_place("");
	logind.host = JH_PLACE_LOCAL; /* from the network, and not the console for that */
	assert_place("");
	logind.host = "desk.example";
}

/* Of a process of its own, so that there is something to look at. */
static bool is_looked_at(struct jh_helper *helper)
{
	struct jh_session session = {.known = true, .uid = 1001, .audit = 7};
	struct jh_peer peer = {.helper = helper,
			       .fd = -1,
			       .pidfd = jh_pidfd_open(getpid()),
			       .proc = {.pid = getpid(), .audit_session = 7}};

	jh_place_find(&peer, NULL, &session);
	close(peer.pidfd);
	return peer.looked_login;
}

static void nothing_is_looked_up_again_for_the_session_of_a_grant_or_a_request(void **state)
{
	static struct jh_helper helper;
	static struct jh_grant grant;
	static struct jh_request request;
	const struct jh_session session = {.known = true, .uid = 1001, .audit = 7};

	(void)state;
	assert_true(is_looked_at(&helper));
	request.session = grant.session = session;
	LIST_INSERT_HEAD(&helper.requests, &request, link);
	assert_true(is_looked_at(&helper)); /* nobody knew then: somebody may now */
	snprintf(request.session.place, sizeof(request.session.place), "desk.example");
	memcpy(&grant.session, &request.session, sizeof(grant.session));
	assert_false(is_looked_at(&helper));
	LIST_REMOVE(&request, link);
	LIST_INSERT_HEAD(&helper.grants, &grant, link);
	assert_false(is_looked_at(&helper));
	grant.session.audit = 8;
	assert_true(is_looked_at(&helper));
}

static void where_there_is_no_logind_nothing_is_looked_at(void **state)
{
	static struct jh_helper helper;

	(void)state;
	logind.runs = false;
	assert_false(is_looked_at(&helper));
	assert_place("");
	logind.runs = true;
	assert_true(is_looked_at(&helper));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logind_says_where_a_session_comes_from),
		cmocka_unit_test(what_logind_does_not_know_or_says_of_another_is_no_place),
		cmocka_unit_test(where_there_is_no_logind_nothing_is_looked_at),
		cmocka_unit_test(a_grant_whose_place_nobody_knew_does_not_hide_one_that_is_known),
		cmocka_unit_test(nothing_is_looked_up_again_for_the_session_of_a_grant_or_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
