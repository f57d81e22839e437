/* Where enable puts its lines: in every stack that distributions ship, and in stacks that leave little room. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>

#include "doctor_report.h"
#include "doctor_stack.h"
#include "pamd_place.h"
#include "pamd_text.h"

static const char *const folders[] = {"debian12", "rhel9", "fedora41"};
static const char *const services[] = {"sudo", "sudo-i", "sshd", "su", "su-l", "login", "polkit-1", "cron", "crond"};

/* tests/unit/pamd, wherever the tests were built from. */
static char *fixture(const char *folder, const char *name, const char *end)
{
	char here[512], path[1024];
	char *text = NULL;
	size_t len = 0;
	int c;

	snprintf(here, sizeof(here), "%s", __FILE__);
	snprintf(path, sizeof(path), "%s/pamd/%s/%s%s", dirname(here), folder, name, end);
	FILE *file = fopen(path, "r");
	if (!file)
		return NULL;
	FILE *out = open_memstream(&text, &len);
	while ((c = fgetc(file)) != EOF)
		fputc(c, out);
	fclose(file);
	fclose(out);
	return text;
}

static int open_fixture(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	char *text = strchr(name, '/') ? NULL : fixture(arg, name, "");

	if (!text)
		return -ENOENT;
	*ret_text = text;
	*ret_len = strlen(text);
	return asprintf(ret_path, "/etc/pam.d/%s", name) < 0 ? -ENOMEM : 0;
}

static struct jd_pam_source source(const char *folder)
{
	return (struct jd_pam_source){.open = open_fixture, .arg = (void *)(uintptr_t)folder};
}

static enum jh_pamd_placing place(const char *folder, const char *service, const char *text, bool observe, char **ret,
				  char *why)
{
	const struct jd_pam_source from = source(folder);
	const char *const arguments[] = {"timeout=90"};
	struct jh_pamd_wish wish;
	size_t len;

	assert_int_equal(jh_pamd_wish(service, observe, 1, arguments, &wish, why, 512), 0);
	return jh_pamd_place(service, text, strlen(text), &wish, &from, ret, &len, why, 512);
}

static struct jd_pam_stack *stack_of(const char *folder, const char *service, const char *text)
{
	const struct jd_pam_source from = source(folder);
	struct jh_pamd_overlay overlay = {.service = service, .text = text, .len = strlen(text), .base = &from};
	struct jd_pam_stack *stack;

	assert_int_equal(jd_pam_read(service, jh_pamd_overlay_open, &overlay, &stack), 0);
	return stack;
}

static void assert_sound(const char *folder, const char *service, const char *text)
{
	struct jd_service *s;
	struct jd_report report;

	assert_int_equal(jd_report_start(&report, NULL), 0);
	assert_int_equal(jd_service_new(service, stack_of(folder, service, text), &s), 0);
	assert_int_equal(jd_stack_judge(&report, s), 0);
	if (report.count[JD_ERROR] || report.count[JD_WARNING])
		fail_msg("%s/%s: %s: %s\n%s", folder, service, STAILQ_FIRST(&report.findings)->code,
			 STAILQ_FIRST(&report.findings)->what, text);
	assert_true(s->account && s->session && s->args_good);
	jd_service_free(s);
	jd_report_free(&report);
}

static void every_stock_file_becomes_what_is_written_down_and_is_sound(void **state)
{
	int placed = 0;

	(void)state;
	for (size_t f = 0; f < COUNT_OF(folders); f++)
		for (size_t i = 0; i < COUNT_OF(services); i++) {
			char *text = fixture(folders[f], services[i], ""), *made = NULL, why[512] = "";

			if (!text)
				continue;
			enum jh_pamd_placing placing = place(folders[f], services[i], text, false, &made, why);
			if (placing != JH_PAMD_PLACED)
				fail_msg("%s/%s: %s", folders[f], services[i], why);
			char *want = fixture(folders[f], services[i], ".gated");
			if (!want || strcmp(made, want) != 0)
				fail_msg("%s/%s becomes\n%s", folders[f], services[i], made);
			assert_sound(folders[f], services[i], made);
			placed++;
			free(want);
			free(made);
			free(text);
		}
	assert_int_equal(placed, 24);
}

static void assert_same_line(const char *service, const struct jd_pam_line *a, const struct jd_pam_line *b)
{
	if (strcmp(jd_pam_module_name(a), jd_pam_module_name(b)) != 0 || a->argc != b->argc)
		fail_msg("%s: %s with %d arguments, the example has %s with %d", service, jd_pam_module_name(a),
			 a->argc, jd_pam_module_name(b), b->argc);
	assert_memory_equal(a->actions, b->actions, sizeof(a->actions));
	for (int i = 0; i < a->argc; i++)
		assert_string_equal(a->argv[i], b->argv[i]);
}

static void on_debian_it_is_the_stack_of_the_examples(void **state)
{
	static const char *const examples[] = {"sudo", "su", "sshd", "login", "polkit-1", "cron"};

	(void)state;
	for (size_t e = 0; e < COUNT_OF(examples); e++) {
		const struct jd_pam_source from = source("debian12");
		char name[128], why[512], *text = fixture("debian12", examples[e], ""), *made;
		struct jh_pamd_wish wish;
		size_t len;

		snprintf(name, sizeof(name), "../../../../etc/pam.d/%s", examples[e]);
		char *example = fixture("debian12", name, ".example");
		assert_non_null(example);
		assert_int_equal(jh_pamd_wish(examples[e], false, 0, NULL, &wish, why, sizeof(why)), 0);
		assert_int_equal(
			jh_pamd_place(examples[e], text, strlen(text), &wish, &from, &made, &len, why, sizeof(why)),
			JH_PAMD_PLACED);
		struct jd_pam_stack *a = stack_of("debian12", examples[e], made);
		struct jd_pam_stack *b = stack_of("debian12", examples[e], example);
		for (enum jd_phase phase = JD_AUTH; phase < JD_PHASES; phase++) {
			size_t i = 0, k = 0;

			for (;; i++, k++) {
				while (i < a->count && a->lines[i].phase != phase)
					i++;
				while (k < b->count && b->lines[k].phase != phase)
					k++;
				if (i == a->count || k == b->count)
					break;
				assert_same_line(examples[e], &a->lines[i], &b->lines[k]);
			}
			assert_true(i == a->count && k == b->count);
		}
		jd_pam_free(a);
		jd_pam_free(b);
		free(example);
		free(made);
		free(text);
	}
}

/* The same file as people leave files behind. The caller frees it. */
static char *deformed(const char *text, int how)
{
	char *made = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&made, &len);

	if (how == 3)
		fputs("# first\n\n", out);
	for (const char *p = text; *p; p++) {
		if (how == 1 && *p == '\n' && p > text && p[-1] != '\n')
			fputc('\r', out); /* CRLF, where there is something before it */
		if (how == 2 && *p == '\n' && !p[1])
			break; /* no newline at the end */
		if (how == 3 && *p == ' ' && p > text && p[-1] == 't')
			fputs(" \\\n\t", out); /* "account \": goes on in the next line */
		fputc(*p, out);
	}
	fclose(out);
	return made;
}

static void disable_undoes_enable_byte_for_byte_and_enable_twice_is_once(void **state)
{
	const size_t step = is_under_valgrind() ? 41 : 1; /* prime to every list */
	size_t tried = 0;

	(void)state;
	for (size_t f = 0; f < COUNT_OF(folders); f++)
		for (size_t i = 0; i < COUNT_OF(services) * COUNT_OF(services) * 4 * 2; i += step) {
			/* Every file under every service's name. */
			const char *file = services[i % COUNT_OF(services)];
			const char *service = services[i / COUNT_OF(services) % COUNT_OF(services)];
			int how = (int)(i / (COUNT_OF(services) * COUNT_OF(services))) % 4;
			bool observe = i >= COUNT_OF(services) * COUNT_OF(services) * 4;
			char *plain = fixture(folders[f], file, ""), *made, *back, *again, why[512];
			size_t len;

			if (!plain)
				continue;
			char *text = deformed(plain, how);
			if (place(folders[f], service, text, observe, &made, why) == JH_PAMD_PLACED) {
				assert_int_equal(jh_pamd_text_strip(made, strlen(made), &back, &len), 0);
				assert_string_equal(back, text);
				assert_int_equal(len, strlen(text));
				assert_int_equal(place(folders[f], service, back, observe, &again, why),
						 JH_PAMD_PLACED);
				assert_string_equal(again, made);
				free(back);
				free(again);
				free(made);
				tried++;
			}
			free(text);
			free(plain);
		}
	assert_true(tried > 1000 / step);
}

/* Line numbers of what is put into a text, 0 where nothing is. */
static void assert_places(const char *service, const char *text, unsigned account, unsigned session)
{
	struct jh_pamd_text t;
	char *made, why[512];
	unsigned found[JD_PHASES + 1] = {0};

	if (place("debian12", service, text, false, &made, why) != JH_PAMD_PLACED) {
		assert_int_equal(account + session, 0);
		return;
	}
	assert_int_equal(jh_pamd_text_read(made, strlen(made), false, &t), 0);
	for (size_t i = 0; i < t.count; i++)
		if (t.lines[i].marked)
			found[t.lines[i].phase] = t.lines[i].first;
	if (found[JD_ACCOUNT] != account || found[JD_SESSION] != session)
		fail_msg("account %u, session %u in\n%s", found[JD_ACCOUNT], found[JD_SESSION], made);
	jh_pamd_text_clear(&t);
	free(made);
}

static void account_stands_before_whatever_ends_or_leaps_the_phase(void **state)
{
	(void)state;
	/* sufficient */
	assert_places("sshd",
		      "account required a.so\naccount sufficient b.so\naccount required c.so\nsession required s.so\n",
		      2, 6);
	/* A jump over the next line: neither is a line put between them, nor does it count another one. */
	assert_places("sshd",
		      "account [success=1 default=ignore] a.so\naccount requisite pam_deny.so\nsession required s.so\n",
		      3, 5);
	assert_places("sshd",
		      "account [success=2 default=bad] a.so\naccount required b.so\naccount required c.so\n"
		      "session required s.so\n",
		      4, 6);
	/* The jump leads behind the end of what there is: before it. */
	assert_places("sshd", "account [success=9 default=bad] a.so\naccount required b.so\nsession required s.so\n", 1,
		      5);
	/* A substack keeps its end to itself. */
	assert_places("sshd", "account substack su\naccount required b.so\nsession required s.so\n", 3, 5);
	/* Comments and what continues stay whole. */
	assert_places("sshd", "account required \\\n  a.so\n# end\n\nsession required \\\n  s.so", 3, 8);
}

static void in_sudo_session_stands_first_but_for_pam_keyinit(void **state)
{
	(void)state;
	assert_places("sudo", "account required a.so\nsession required s.so\n", 2, 3);
	assert_places("sudo", "account required a.so\nsession optional pam_keyinit.so force\nsession required s.so\n",
		      2, 4);
	assert_places("sudo", "account required a.so\nsession required pam_keyinit.so force\nsession required s.so\n",
		      2, 3);
	assert_places("sudo", "account required a.so\nsession optional s.so\nsession optional pam_keyinit.so\n", 2, 3);
	assert_places("su", "account required a.so\nsession optional s.so\nsession optional pam_keyinit.so\n", 2, 5);
}

static void assert_nowhere(const char *service, const char *text, const char *because)
{
	char *made, why[512] = "";

	assert_int_equal(place("debian12", service, text, false, &made, why), JH_PAMD_NOWHERE);
	if (!strstr(why, because))
		fail_msg("%s: %s", text, why);
}

static void a_file_that_leaves_no_place_is_refused_with_the_reason(void **state)
{
	(void)state;
	assert_nowhere("x", "account required a.so\n", "has no session line");
	assert_nowhere("x", "session required a.so\n", "has no account line");
	assert_nowhere("x", "", "has no account line");
}

/* su includes a file in which somebody wrote lines, or su-l the gated su. */
static void lines_that_come_by_an_include_are_not_written_again(void **state)
{
	const struct jd_pam_source base = source("debian12");
	char *su = fixture("debian12", "su", ""), *su_l = fixture("debian12", "su-l", ""), *made, *more, why[512];
	struct jh_pamd_wish wish;
	size_t len;

	(void)state;
	assert_int_equal(place("debian12", "su", su, false, &made, why), JH_PAMD_PLACED);
	struct jh_pamd_overlay gated = {.service = "su", .text = made, .len = strlen(made), .base = &base};
	const struct jd_pam_source from = {.open = jh_pamd_overlay_open, .arg = &gated};
	assert_int_equal(jh_pamd_wish("su-l", false, 0, NULL, &wish, why, sizeof(why)), 0);
	assert_int_equal(jh_pamd_place("su-l", su_l, strlen(su_l), &wish, &from, &more, &len, why, sizeof(why)),
			 JH_PAMD_INCLUDED);
	assert_non_null(strstr(why, "/etc/pam.d/su:"));
	assert_int_equal(jh_pamd_wish("su-l", true, 0, NULL, &wish, why, sizeof(why)), 0);
	assert_int_equal(jh_pamd_place("su-l", su_l, strlen(su_l), &wish, &from, &more, &len, why, sizeof(why)),
			 JH_PAMD_NOWHERE);
	free(made);
	free(su);
	free(su_l);
}

static void an_include_of_itself_ends(void **state)
{
	char *made = NULL, why[512];

	(void)state;
	/* libpam gives such a service up; it must only not go on for ever. */
	place("debian12", "loop", "@include loop\naccount include loop\naccount required a.so\nsession include loop\n",
	      false, &made, why);
	free(made);
}

static void arguments_are_checked_by_the_modules_own_reader(void **state)
{
	static const char *const bad[] = {"foo=1",    "timeout=0", "role=a b", "role=a#b",    "role=[a]",
					  "role=a\\", "role=a\nb", "",	       "app=nothing", "timeout=1 x=2"};
	struct jh_pamd_wish wish;
	char why[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (jh_pamd_wish("sudo", false, 1, &bad[i], &wish, why, sizeof(why)) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
	static const char *const twice[] = {"role=a", "role=b"};
	assert_int_equal(jh_pamd_wish("sudo", false, 2, twice, &wish, why, sizeof(why)), -EINVAL);
	static const char *const own[] = {"app=other", "observe", "exempt_user=root,op1"};
	assert_int_equal(jh_pamd_wish("cron", true, 3, own, &wish, why, sizeof(why)), 0);
	assert_int_equal(wish.count, 3);
	assert_int_equal(jh_pamd_wish("cron", false, 0, NULL, &wish, why, sizeof(why)), 0);
	assert_string_equal(wish.args.exempt_user, "root");
}

#define TEST(fn) cmocka_unit_test(fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_stock_file_becomes_what_is_written_down_and_is_sound),
		TEST(on_debian_it_is_the_stack_of_the_examples),
		TEST(disable_undoes_enable_byte_for_byte_and_enable_twice_is_once),
		TEST(account_stands_before_whatever_ends_or_leaps_the_phase),
		TEST(in_sudo_session_stands_first_but_for_pam_keyinit),
		TEST(a_file_that_leaves_no_place_is_refused_with_the_reason),
		TEST(lines_that_come_by_an_include_are_not_written_again),
		TEST(an_include_of_itself_ends),
		TEST(arguments_are_checked_by_the_modules_own_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
