/* PAM's configuration as the doctor reads it: the same as libpam does, and hostile text harms nobody. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_pam.h"

struct file {
	const char *name, *text;
};

static int open_file(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	for (const struct file *file = arg; file->name; file++) {
		if (strcmp(file->name, name) != 0)
			continue;
		*ret_text = strdup(file->text);
		*ret_len = strlen(file->text);
		return asprintf(ret_path, "%s%s", name[0] == '/' ? "" : "/etc/pam.d/", name) < 0 ? -ENOMEM : 0;
	}
	return -ENOENT;
}

static struct jd_pam_stack *read_stack(const char *service, const struct file *files)
{
	struct jd_pam_stack *stack = NULL;

	assert_int_equal(jd_pam_read(service, open_file, (void *)(uintptr_t)files, &stack), 0);
	return stack;
}

static struct jd_pam_stack *read_text(const char *text)
{
	struct jd_pam_stack *stack = NULL;

	assert_int_equal(jd_pam_read_text(text, strlen(text), &stack), 0);
	return stack;
}

static void lines_are_read_with_their_place(void **state)
{
	struct jd_pam_stack *s = read_text("# a comment\n\n  account\trequired pam_unix.so  nullok try # more\n"
					   "-Session OPTIONAL /lib/x/pam_jit.so a [b c] [d\\]e]\n");

	(void)state;
	assert_int_equal(s->count, 2);
	assert_int_equal(s->fault_count, 0);
	assert_int_equal(s->lines[0].phase, JD_ACCOUNT);
	assert_int_equal(s->lines[0].line, 3);
	assert_string_equal(s->lines[0].module, "pam_unix.so");
	assert_int_equal(s->lines[0].argc, 2);
	assert_int_equal(s->lines[1].phase, JD_SESSION);
	assert_string_equal(jd_pam_module_name(&s->lines[1]), "pam_jit.so");
	assert_int_equal(s->lines[1].argc, 3);
	assert_string_equal(s->lines[1].argv[1], "b c");
	assert_string_equal(s->lines[1].argv[2], "d]e");
	jd_pam_free(s);
}

static void continued_lines_are_joined_and_counted(void **state)
{
	struct jd_pam_stack *s = read_text("account \\\n  required \\\n\n  pam_jit.so\nsession required pam_x.so\n");

	(void)state;
	assert_int_equal(s->count, 2);
	assert_string_equal(s->lines[0].module, "pam_jit.so");
	assert_int_equal(s->lines[1].line, 5);
	jd_pam_free(s);
}

static void keywords_and_pairs_mean_the_same_as_in_libpam(void **state)
{
	struct jd_pam_stack *s = read_text("auth required a\nauth requisite b\nauth sufficient c\nauth optional d\n"
					   "auth [success=2 new_authtok_reqd=done default=ignore] e\nauth [success=ok] "
					   "f\nauth [default=die default=ignore] g\n");
	const struct jd_pam_line *l = s->lines;

	(void)state;
	assert_int_equal(s->count, 7);
	assert_int_equal(l[6].actions[PAM_AUTH_ERR], JD_DIE); /* the first default counts */
	assert_int_equal(l[0].actions[PAM_PERM_DENIED], JD_BAD);
	assert_int_equal(l[0].actions[PAM_IGNORE], JD_IGNORE);
	assert_int_equal(l[1].actions[PAM_AUTH_ERR], JD_DIE);
	assert_int_equal(l[2].actions[PAM_SUCCESS], JD_DONE);
	assert_int_equal(l[2].actions[PAM_AUTH_ERR], JD_IGNORE);
	assert_int_equal(l[3].actions[PAM_SUCCESS], JD_OK);
	assert_int_equal(l[4].actions[PAM_SUCCESS], 2);
	assert_int_equal(l[4].actions[PAM_NEW_AUTHTOK_REQD], JD_DONE);
	assert_int_equal(l[4].actions[PAM_SYSTEM_ERR], JD_IGNORE);
	assert_int_equal(l[5].actions[PAM_SYSTEM_ERR], JD_BAD);
	jd_pam_free(s);
}

static void every_code_has_its_word(void **state)
{
	(void)state;
	assert_string_equal(jd_pam_code_name(PAM_SUCCESS), "success");
	assert_string_equal(jd_pam_code_name(PAM_PERM_DENIED), "perm_denied");
	assert_string_equal(jd_pam_code_name(PAM_AUTHINFO_UNAVAIL), "authinfo_unavail");
	assert_string_equal(jd_pam_code_name(PAM_NEW_AUTHTOK_REQD), "new_authtok_reqd");
	assert_string_equal(jd_pam_code_name(PAM_SESSION_ERR), "session_err");
	assert_string_equal(jd_pam_code_name(PAM_IGNORE), "ignore");
	assert_string_equal(jd_pam_code_name(PAM_MODULE_UNKNOWN), "module_unknown");
	assert_string_equal(jd_pam_code_name(PAM_INCOMPLETE), "incomplete");
}

static void includes_stand_in_their_place(void **state)
{
	static const struct file files[] = {
		{"sudo", "@include common\naccount include extra\naccount substack deep\naccount required last\n"},
		{"common", "auth required a1\naccount required a2\nsession required a3\n"},
		{"extra", "account required e1\nsession required never\n"},
		{"deep", "account required d1\n"},
		{"other", "password required o1\nsession required never\n"},
		{NULL, NULL},
	};
	static const struct {
		const char *module;
		unsigned level;
	} want[] = {{"a1", 0}, {"a2", 0}, {"a3", 0}, {"e1", 0}, {"", 0}, {"d1", 1}, {"last", 0}, {"o1", 0}};
	struct jd_pam_stack *s = read_stack("sudo", files);

	(void)state;
	assert_int_equal(s->count, COUNT_OF(want));
	for (size_t i = 0; i < s->count; i++) {
		assert_string_equal(jd_pam_module_name(&s->lines[i]), want[i].module);
		assert_int_equal(s->lines[i].level, want[i].level);
	}
	assert_int_equal(s->lines[4].kind, JD_SUBSTACK);
	assert_string_equal(s->lines[3].file, "/etc/pam.d/extra");
	assert_true(s->from_other[JD_PASSWORD]);
	assert_false(s->from_other[JD_ACCOUNT]);
	assert_int_equal(s->fault_count, 0);
	jd_pam_free(s);
}

/* Debian's su-l: `account include su`, where su has `@include common-account`. Linux-PAM 1.5.2 was asked. */
static void an_include_inside_an_include_keeps_its_phase(void **state)
{
	static const struct file files[] = {
		{"su-l", "account include su\n"},
		{"su", "@include common\nsession required never\n"},
		{"common", "account required a1\nsession required never\n"},
		{"other", "session required o1\n"},
		{NULL, NULL},
	};
	struct jd_pam_stack *s = read_stack("su-l", files);

	(void)state;
	assert_int_equal(s->count, 2);
	assert_string_equal(s->lines[0].module, "a1");
	assert_string_equal(s->lines[1].module, "o1");
	jd_pam_free(s);
}

static void a_service_without_a_file_is_the_other(void **state)
{
	static const struct file files[] = {{"other", "account required pam_deny.so\n"}, {NULL, NULL}};
	struct jd_pam_stack *s = read_stack("nosuch", files);

	(void)state;
	assert_true(s->missing);
	assert_int_equal(s->count, 1);
	assert_true(s->from_other[JD_ACCOUNT]);
	jd_pam_free(s);
}

static void what_libpam_cannot_read_is_told(void **state)
{
	static const struct {
		const char *text;
		bool whole;
	} bad[] = {
		{"acount required pam_unix.so\n", false},
		{"account\n", false},
		{"account required\n", false},
		{"account requird pam_unix.so\n", false},
		{"account [success=maybe] pam_unix.so\n", false},
		{"account [succes=ok] pam_unix.so\n", false},
		{"account [success=0] pam_unix.so\n", false},
		{"account [success] pam_unix.so\n", false},
		{"@include nosuch\n", true},
		{"@include\n", true},
		{"account include nosuch\n", false},
		{"account required pam_unix.so \\\n", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct jd_pam_stack *s = read_text(bad[i].text);

		if (s->fault_count != 1)
			fail_msg("%s: %zu faults", bad[i].text, s->fault_count);
		assert_int_equal(s->faults[0].whole, bad[i].whole);
		assert_int_equal(s->faults[0].line, 1);
		for (size_t n = 0; n < s->count; n++)
			assert_int_equal(s->lines[n].kind, JD_BROKEN);
		jd_pam_free(s);
	}
}

static void a_file_that_includes_itself_ends(void **state)
{
	static const struct file files[] = {
		{"sudo", "@include sudo\n@include sudo\naccount substack sudo\naccount required a\n"}, {NULL, NULL}};
	struct jd_pam_stack *s = read_stack("sudo", files);

	(void)state;
	assert_true(s->fault_count > 0);
	assert_true(s->count <= 4096);
	assert_true(s->file_count <= 256);
	jd_pam_free(s);
}

static void hostile_text_is_only_text(void **state)
{
	static char text[200000];
	struct jd_pam_stack *s;
	unsigned seed = 7;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(jd_pam_read_text(text, sizeof(text), &s), 0);
	jd_pam_free(s);
	memset(text, '\n', sizeof(text));
	assert_int_equal(jd_pam_read_text(text, sizeof(text), &s), 0);
	assert_int_equal(s->count, 0);
	jd_pam_free(s);
	assert_int_equal(jd_pam_read_text("account [\\", 10, &s), 0);
	jd_pam_free(s);
	assert_int_equal(jd_pam_read_text("account required pam\0_jit.so\n", 29, &s), 0);
	jd_pam_free(s);
	for (int round = 0; round < 200; round++) {
		static const char alphabet[] =
			"account required session [success=1default=ignore]\\\n\n\t #@include -x=\x1b\xff";

		for (size_t i = 0; i < 2000; i++) {
			seed = seed * 1103515245U + 12345U;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		assert_int_equal(jd_pam_read_text(text, 2000, &s), 0);
		jd_pam_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_with_their_place),
		cmocka_unit_test(continued_lines_are_joined_and_counted),
		cmocka_unit_test(keywords_and_pairs_mean_the_same_as_in_libpam),
		cmocka_unit_test(every_code_has_its_word),
		cmocka_unit_test(includes_stand_in_their_place),
		cmocka_unit_test(an_include_inside_an_include_keeps_its_phase),
		cmocka_unit_test(a_service_without_a_file_is_the_other),
		cmocka_unit_test(what_libpam_cannot_read_is_told),
		cmocka_unit_test(a_file_that_includes_itself_ends),
		cmocka_unit_test(hostile_text_is_only_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
