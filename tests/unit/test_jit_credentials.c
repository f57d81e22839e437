/* Where this process cannot be kept from being dumped it asks for nothing, and its frame can be wiped all the same. */
#include "unit.h"

#include <errno.h>
#include <sys/prctl.h>

#include "jit.h"

/* In the library's place. */
int prctl(int option, ...)
{
	(void)option;
	errno = EPERM;
	return -1;
}

static void a_frame_is_begun_before_anything_fails(void **state)
{
	static struct jit_frame frame;

	(void)state;
	memset(&frame, 0xa5, sizeof(frame)); /* as it may lie on a stack */
	assert_int_equal(jit_call_credentials("/nonexistent", &frame), JIT_EXIT_INTERNAL);
	assert_in_range(frame.len, 1, JIT_FRAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_begun_before_anything_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
