/* Break-glass: what counts as a reason. Who may ask, and when, is shown against real programs (test_glass.py). */
#include "glass.h"
#include "unit.h"

static void a_reason_has_eight_visible_characters(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"", false},
		{"short", false},
		{"a b c d e f g", false}, /* seven */
		{"a b c d e f g h", true},
		{"        ", false},
		{"????????", false}, /* what cleaning leaves of control characters */
		{"disk full", true},
		{"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", false}, /* four letters of two bytes */
		{"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (jh_glass_reason(cases[i].text) != cases[i].good)
			fail_msg("wrong for \"%s\"", cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_reason_has_eight_visible_characters)};

	return cmocka_run_group_tests_name("helper glass", tests, NULL, NULL);
}
