/* The text of PAM's files, changed by a line: every byte that is not meant stays as it was. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "no_memory.h"
#include "pamd_text.h"

#define OURS "account required pam_jit.so app=sudo  " JH_PAMD_MARK

static struct jh_pamd_text text_of(const char *text)
{
	struct jh_pamd_text t;

	assert_int_equal(jh_pamd_text_read(text, strlen(text), false, &t), 0);
	return t;
}

/* The text after that deed on each line that names the module, marked or not. */
static void assert_becomes(const char *text, bool services, enum jh_pamd_deed deed, const char *want)
{
	enum jh_pamd_deed deeds[32] = {JH_PAMD_KEEP};
	struct jh_pamd_text t;
	char *made;
	size_t len;

	assert_int_equal(jh_pamd_text_read(text, strlen(text), services, &t), 0);
	for (size_t i = 0; i < t.count; i++)
		deeds[i] = t.lines[i].module || t.lines[i].broken ? deed : JH_PAMD_KEEP;
	assert_int_equal(jh_pamd_text_edit(&t, deeds, &made, &len), 0);
	assert_string_equal(made, want);
	assert_int_equal(len, strlen(want));
	free(made);
	jh_pamd_text_clear(&t);
}

#ifdef JIT_TEST_NO_MEMORY
static void a_text_is_whole_or_there_is_none(void **state)
{
	enum jh_pamd_deed deeds[64];
	char text[8192] = "", *whole;
	struct jh_pamd_text t;
	size_t len, whole_len;
	unsigned failed = 0;

	(void)state;
	if (!memory_can_run_out())
		skip();
	for (size_t i = 0; i < COUNT_OF(deeds); i++) {
		deeds[i] = JH_PAMD_COMMENT;
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "account required pam_jit.so app=sudo role=%zu\n", i);
	}
	assert_int_equal(jh_pamd_text_read(text, strlen(text), false, &t), 0);
	assert_int_equal(t.count, COUNT_OF(deeds));
	assert_int_equal(jh_pamd_text_edit(&t, deeds, &whole, &whole_len), 0);
	for (long nth = 0; nth < 10000; nth++) {
		char *made = NULL;

		left = nth;
		int r = jh_pamd_text_edit(&t, deeds, &made, &len);
		bool all = left >= 0;
		left = LONG_MAX;
		failed += r < 0;
		assert_true(r == 0 ? len == whole_len && strcmp(made, whole) == 0 : r == -ENOMEM && !made);
		free(made);
		if (all)
			break;
	}
	assert_true(failed > 0);
	free(whole);
	jh_pamd_text_clear(&t);
}
#endif

static void only_a_line_with_the_mark_alone_behind_it_is_ours(void **state)
{
	static const struct {
		const char *text;
		bool names, marked;
	} cases[] = {
		{OURS "\n", true, true},
		{OURS " \t\r\n", true, true},
		{OURS, true, true},
		{"-session optional pam_jit.so # jit-helper pam\n", true, true},
		{"session [default=die success=ok] pam_jit.so # jit-helper pam\n", true, true},
		{"account required pam_jit.so\n", true, false},
		{"account required pam_jit.so # jit-helper pam, but mine\n", true, false},
		{"account required pam_jit.so # not # jit-helper pam\n", true, false},
		{"account required \\\n pam_jit.so # jit-helper pam\n", true, false},
		{"auth required /usr/lib/security/pam_jit.so\n", true, false},
		{"account required pam_unix.so # pam_jit.so # jit-helper pam\n", false, false},
		{"account required pam_unix.so pam_jit.so # jit-helper pam\n", false, false},
		{"account required not_pam_jit.so\n", false, false},
		{"@include pam_jit.so\n", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct jh_pamd_text t = text_of(cases[i].text);

		assert_int_equal(t.count, 1);
		if (!!t.lines[0].module != cases[i].names || t.lines[0].marked != cases[i].marked)
			fail_msg("%s: names %d, marked %d", cases[i].text, !!t.lines[0].module, t.lines[0].marked);
		jh_pamd_text_clear(&t);
	}
}

static void what_was_put_in_comes_out_byte_for_byte(void **state)
{
	static const char *const texts[] = {
		"account required pam_unix.so\n",
		"account required pam_unix.so",
		"account required pam_unix.so\r\nsession required pam_unix.so\r\n",
		"# a\n\naccount \\\n  required \\\n pam_unix.so\n\n# b",
		"a required x\n\n\n",
		"a\\\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		size_t len = strlen(texts[i]);

		/* Two lines of ours, each before every line and at the end. */
		for (size_t at = 0; at <= len; at++) {
			char *one, *two, *back;
			size_t one_len, two_len, back_len;

			if (at != len && at != 0 && texts[i][at - 1] != '\n')
				continue;
			if (at > 1 && texts[i][at - 2] == '\\') /* no place: the line goes on */
				continue;
			assert_int_equal(jh_pamd_text_insert(texts[i], len, at, OURS, &one, &one_len), 0);
			assert_int_equal(jh_pamd_text_insert(one, one_len, one_len, OURS, &two, &two_len), 0);
			assert_int_equal(jh_pamd_text_strip(two, two_len, &back, &back_len), 0);
			if (texts[i][len - 1] != '\\' && strcmp(texts[i], "a\\\n") != 0)
				assert_string_equal(back, texts[i]);
			free(one);
			free(two);
			free(back);
		}
	}
}

static void a_line_over_several_lines_is_commented_out_whole(void **state)
{
	(void)state;
	assert_becomes("auth a b\naccount \\\n  required \\\n  pam_jit.so app=su # why\nsession c d\n", false,
		       JH_PAMD_COMMENT,
		       "auth a b\n# pam_jit removed: account \\\n# pam_jit removed:   required \\\n"
		       "# pam_jit removed:   pam_jit.so app=su # why\nsession c d\n");
	assert_becomes("account required pam_jit.so", false, JH_PAMD_COMMENT,
		       "# pam_jit removed: account required pam_jit.so");
	assert_becomes("account required pam_jit.so\r\nx y z\r\n", false, JH_PAMD_COMMENT,
		       "# pam_jit removed: account required pam_jit.so\r\nx y z\r\n");
}

static void what_was_commented_out_is_no_line_any_more(void **state)
{
	struct jh_pamd_text t = text_of("# pam_jit removed: account \\\n# pam_jit removed: required pam_jit.so\n");

	(void)state;
	assert_int_equal(t.count, 0);
	jh_pamd_text_clear(&t);
}

static void a_line_that_jumps_count_gets_a_stand_in(void **state)
{
	(void)state;
	assert_becomes("-account \\\n required pam_jit.so\n", false, JH_PAMD_STAND_IN,
		       "account  [default=ignore]  pam_permit.so  # pam_jit removed: -account \\\n"
		       "# pam_jit removed:  required pam_jit.so\n");
}

static void lines_that_libpam_does_not_take_are_found_by_the_name(void **state)
{
	(void)state;
	assert_becomes("account required pam_jit.so \\\n", false, JH_PAMD_COMMENT,
		       "# pam_jit removed: account required pam_jit.so \\\n");
	assert_becomes("account required \\\n# pam_jit.so\n", false, JH_PAMD_COMMENT,
		       "# pam_jit removed: account required \\\n# pam_jit removed: # pam_jit.so\n");
	/* It loads another one, to a libpam that takes longer lines. */
	assert_becomes("auth required pam_exec.so /usr/bin/not_pam_jit.so pam_jit.so \\\n", false, JH_PAMD_COMMENT,
		       "auth required pam_exec.so /usr/bin/not_pam_jit.so pam_jit.so \\\n");
}

static void a_line_whose_success_is_needed_keeps_its_control(void **state)
{
	(void)state;
	assert_becomes("account [success=1 default=ignore] pam_jit.so app=su\nauth sufficient pam_jit.so", false,
		       JH_PAMD_CONSENT_IN,
		       "account  [success=1 default=ignore]  pam_permit.so  # pam_jit removed: account "
		       "[success=1 default=ignore] pam_jit.so app=su\n"
		       "auth  sufficient  pam_permit.so  # pam_jit removed: auth sufficient pam_jit.so");
}

static void pam_conf_has_the_service_in_front(void **state)
{
	(void)state;
	assert_becomes("sudo account required pam_unix.so\nsudo account required pam_jit.so\n", true, JH_PAMD_COMMENT,
		       "sudo account required pam_unix.so\n# pam_jit removed: sudo account required pam_jit.so\n");
}

#define TEST(fn) cmocka_unit_test(fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		TEST(a_text_is_whole_or_there_is_none),
#endif
		TEST(only_a_line_with_the_mark_alone_behind_it_is_ours),
		TEST(what_was_put_in_comes_out_byte_for_byte),
		TEST(a_line_over_several_lines_is_commented_out_whole),
		TEST(what_was_commented_out_is_no_line_any_more),
		TEST(a_line_that_jumps_count_gets_a_stand_in),
		TEST(lines_that_libpam_does_not_take_are_found_by_the_name),
		TEST(a_line_whose_success_is_needed_keeps_its_control),
		TEST(pam_conf_has_the_service_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
