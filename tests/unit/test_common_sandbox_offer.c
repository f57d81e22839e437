/* common/sandbox_offer: what is said of a kernel, for each that there is. */
#include <errno.h>
#include <string.h>

#include "sandbox_offer.h"
#include "unit.h"

#define NO_LANDLOCK                                                                                                    \
	"this kernel has none; use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK; in a container, allow "   \
	"the landlock_ calls in its seccomp profile"
#define NO_SECCOMP "this kernel has none; use Linux 4.14 or later, built with CONFIG_SECCOMP_FILTER"

static void what_a_process_is_confined_by_and_by_what_not_is_said_in_a_line(void **state)
{
	static const struct {
		struct jit_sandbox_offer offer;
		const char *line;
	} cases[] = {
		{{7, 0}, "confined by seccomp and Landlock ABI 7"},
		{{6, 0}, "confined by seccomp and Landlock ABI 6"},
		{{5, 0},
		 "confined by seccomp and Landlock ABI 5, which limits no abstract sockets (Linux 6.12 and later do)"},
		{{4, 0},
		 "confined by seccomp and Landlock ABI 4, which limits no abstract sockets (Linux 6.12 and later do)"},
		{{3, 0},
		 "confined by seccomp and Landlock ABI 3, which limits neither TCP ports (Linux 6.7 and later do) nor "
		 "abstract sockets (6.12 and later)"},
		{{-ENOSYS, 0}, "confined by seccomp, but NOT by Landlock: " NO_LANDLOCK},
		{{-EOPNOTSUPP, 0},
		 "confined by seccomp, but NOT by Landlock: it was not enabled when this kernel started; boot with "
		 "lsm=landlock,LIST on the kernel's command line, LIST being what /sys/kernel/security/lsm holds"},
		{{-EPERM, 0},
		 "confined by seccomp, but NOT by Landlock: it is refused here (Operation not permitted); allow the "
		 "landlock_ calls in the seccomp profile of this container or unit"},
		{{7, -ENOSYS}, "confined by Landlock ABI 7, but NOT by seccomp: " NO_SECCOMP},
		{{-ENOSYS, -ENOSYS},
		 "NOT confined by Landlock: " NO_LANDLOCK ". NOT confined by seccomp either: " NO_SECCOMP},
	};
	char line[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		jit_sandbox_say(&cases[i].offer, line, sizeof(line));
		assert_string_equal(line, cases[i].line);
	}
}

static void a_kernel_without_filters_is_told_from_who_may_not_ask_for_one(void **state)
{
	static const int without[] = {-ENOSYS, -EINVAL, -EOPNOTSUPP};
	struct jit_sandbox_offer offer = {.landlock = 7, .seccomp = -EPERM};
	struct jit_sandbox_lack lack;

	(void)state;
	assert_true(jit_sandbox_lacks(&offer, JIT_SANDBOX_SECCOMP, &lack));
	assert_string_equal(lack.why, "it is refused here (Operation not permitted)");
	for (size_t i = 0; i < COUNT_OF(without); i++) {
		offer.seccomp = without[i];
		assert_true(jit_sandbox_lacks(&offer, JIT_SANDBOX_SECCOMP, &lack));
		assert_string_equal(lack.why, "this kernel has none");
	}
}

static void what_is_there_is_not_missed(void **state)
{
	const struct jit_sandbox_offer first = {.landlock = 1}, last = {.landlock = 99};
	struct jit_sandbox_lack lack;

	(void)state;
	for (enum jit_sandbox_part part = 0; part < JIT_SANDBOX_PARTS; part++) {
		assert_false(jit_sandbox_lacks(&first, part, &lack));
		assert_false(jit_sandbox_lacks(&last, part, &lack));
	}
	assert_non_null(jit_sandbox_unlimited(&first));
	assert_null(jit_sandbox_unlimited(&last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_process_is_confined_by_and_by_what_not_is_said_in_a_line),
		cmocka_unit_test(a_kernel_without_filters_is_told_from_who_may_not_ask_for_one),
		cmocka_unit_test(what_is_there_is_not_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
