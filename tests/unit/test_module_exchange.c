/* What an answer says when its frame does not: nothing, and no byte that lay about. */
#include "unit.h"

#include "../../pam_jit/exchange.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define GRANT "0b6c1f6e-0000-4000-8000-000000000001"

/* The helper's verdict lies in the socket before the question comes. */
static void ask(struct pj_answer *ret, const char *grant)
{
	struct jit_frame question, verdict;
	struct pj_quiet quiet = {.fd = -1};
	struct pj_talk talk = {.tty = -1};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	jit_frame_start(&verdict, JIT_F_VERDICT);
	jit_frame_put_u32(&verdict, JIT_T_OUTCOME, JIT_ALLOW);
	if (grant)
		jit_frame_put_str(&verdict, JIT_T_GRANT, grant);
	assert_int_equal(jit_frame_send(ends[1], &verdict), 0);
	jit_frame_start(&question, JIT_F_ELEVATE);
	const struct pj_exchange how = {.fd = ends[0],
					.client = -1,
					.terminal = -1,
					.phase = PJ_ACCOUNT,
					.deadline = jit_boottime_ms() + 10000,
					.quiet = &quiet,
					.talk = &talk};
	pj_exchange(&how, &question, ret);
	close(ends[0]);
	close(ends[1]);
}

static void a_grant_that_is_named_is_told(void **state)
{
	struct pj_answer answer = {0};

	(void)state;
	ask(&answer, GRANT);
	assert_int_equal(answer.outcome, JIT_ALLOW);
	assert_string_equal(answer.grant, GRANT);
}

static void of_a_grant_that_is_not_named_nothing_is_told(void **state)
{
	struct pj_answer answer = {0};

	(void)state;
	memset(answer.grant, 'x', sizeof(answer.grant));
	ask(&answer, NULL);
	assert_int_equal(answer.outcome, JIT_ALLOW);
	assert_string_equal(answer.grant, "");
	for (size_t i = 1; i < sizeof(answer.grant); i++)
		assert_int_equal(answer.grant[i], 'x'); /* not what lay on the stack */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_that_is_named_is_told),
		cmocka_unit_test(of_a_grant_that_is_not_named_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
