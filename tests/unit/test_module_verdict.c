/* One map turns an outcome into a PAM code: every outcome, in every phase, in every application. */
#include "unit.h"

#include "../../pam_jit/verdict.h"

#include <security/pam_modules.h>
#include <string.h>

static const enum pj_app apps[] = {PJ_SUDO, PJ_SU, PJ_SSHD, PJ_LOGIN, PJ_OTHER};
static const enum pj_phase phases[] = {PJ_ACCOUNT, PJ_OPEN};

/* Faults of the host are PAM_SYSTEM_ERR, but PAM_SERVICE_ERR in sudo, which has no words for the former. */
#define FAULT (-1)

static const struct {
	uint32_t outcome;
	int account, open;
} rows[] = {
	{JIT_ALLOW, PAM_SUCCESS, PAM_SUCCESS},
	{JIT_IGNORE, PAM_IGNORE, PAM_IGNORE},
	{JIT_DENIED, PAM_PERM_DENIED, PAM_PERM_DENIED},
	{JIT_TIMED_OUT, PAM_PERM_DENIED, PAM_PERM_DENIED},
	{JIT_CANCELLED, PAM_PERM_DENIED, PAM_PERM_DENIED},
	{JIT_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL, FAULT},
	{JIT_INVALID, FAULT, FAULT},
	{PJ_BROKEN, FAULT, FAULT},
	{JIT_LATER, PAM_PERM_DENIED, PAM_PERM_DENIED},
	{8, FAULT, FAULT},
	{UINT32_MAX, FAULT, FAULT},
};

static int expected(size_t row, enum pj_phase phase, enum pj_app app)
{
	int code = phase == PJ_ACCOUNT ? rows[row].account : rows[row].open;

	if (code == FAULT)
		return app == PJ_SUDO ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR;
	return code;
}

static void each_outcome_phase_and_application_has_its_code(void **state)
{
	(void)state;
	for (size_t r = 0; r < COUNT_OF(rows); r++)
		for (size_t p = 0; p < COUNT_OF(phases); p++)
			for (size_t a = 0; a < COUNT_OF(apps); a++)
				assert_int_equal(pj_verdict_code(rows[r].outcome, phases[p], apps[a]),
						 expected(r, phases[p], apps[a]));
}

/* Only ALLOW lets in and only IGNORE stands aside; no code on which sudo or sshd would go on all the same. */
static void no_other_outcome_lets_anybody_in(void **state)
{
	(void)state;
	for (uint32_t outcome = 2; outcome < 300; outcome++) {
		for (size_t p = 0; p < COUNT_OF(phases); p++) {
			for (size_t a = 0; a < COUNT_OF(apps); a++) {
				int code = pj_verdict_code(outcome, phases[p], apps[a]);

				assert_int_not_equal(code, PAM_SUCCESS);
				assert_int_not_equal(code, PAM_IGNORE);
				assert_int_not_equal(code, PAM_SESSION_ERR);
				assert_int_not_equal(code, PAM_NEW_AUTHTOK_REQD);
			}
		}
	}
}

static void each_outcome_has_a_sentence_and_a_word(void **state)
{
	(void)state;
	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		assert_true(strlen(pj_verdict_sentence(rows[r].outcome)) > 5);
		assert_true(strlen(pj_verdict_word(rows[r].outcome)) > 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_phase_and_application_has_its_code),
		cmocka_unit_test(no_other_outcome_lets_anybody_in),
		cmocka_unit_test(each_outcome_has_a_sentence_and_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
