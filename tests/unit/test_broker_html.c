/* The writer of HTML: whatever somebody else wrote stays text, wherever it stands. */
#include "unit.h"

#include <string.h>

#include "html.h"
#include "no_memory.h"

static void assert_written(struct jb_html *h, const char *expected)
{
	assert_true(jb_html_whole(h));
	assert_string_equal(h->draft.text, expected);
	jb_html_clear(h);
}

static void text_stays_text(void **state)
{
	struct jb_html h;

	(void)state;
	jb_html_begin(&h);
	jb_html(&h, "<p>");
	jb_html_text(&h, "<script>alert('1')</script> & \"x\"");
	jb_html(&h, "</p>");
	jb_html_text(&h, NULL);
	assert_written(&h, "<p>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;</p>");
}

static void what_steers_the_eye_or_a_terminal_is_shown_as_a_question_mark(void **state)
{
	struct jb_html h;

	(void)state;
	jb_html_begin(&h);
	jb_html_foreign(&h, "a\x1b[2Jb\xe2\x80\xaetxt\xe2\x81\xa6 \xff \x07\n");
	assert_written(&h, "<bdi>a?[2Jb?txt? ? ?"
			   "?</bdi>");
}

static void a_value_cannot_leave_its_attribute(void **state)
{
	struct jb_html h;

	(void)state;
	jb_html_begin(&h);
	jb_html(&h, "<input");
	jb_html_attr(&h, "value", "\" onfocus='x' autofocus x=\"`");
	jb_html(&h, ">");
	assert_written(&h, "<input value=\"&quot; onfocus=&#39;x&#39; autofocus x=&quot;`\">");
}

static void a_segment_cannot_become_another_place(void **state)
{
	struct jb_html h;

	(void)state;
	jb_html_begin(&h);
	jb_html(&h, "<a");
	jb_html_url(&h, "href", "/r/", "../x?y#z\"><\xc3\xa4", "/edit");
	jb_html(&h, ">");
	assert_written(&h, "<a href=\"/r/..%2Fx%3Fy%23z%22%3E%3C%C3%A4/edit\">");
}

static void times_are_for_people_and_for_scripts(void **state)
{
	struct jb_html h;

	(void)state;
	jb_html_begin(&h);
	jb_html_time(&h, 1795363200);
	assert_written(&h, "<time datetime=\"2026-11-22T16:00:00Z\">22 Nov 2026, 16:00:00 UTC</time>");
	jb_html_begin(&h);
	jb_html_left(&h, 1795363200 + 252, 1795363200);
	assert_written(
		&h,
		"<time class=\"left\" datetime=\"2026-11-22T16:04:12Z\" data-until=\"1795363452\">4 min 12 s</time>");
	jb_html_begin(&h);
	jb_html_left(&h, 5, 10);
	assert_written(&h, "<time class=\"left\" datetime=\"1970-01-01T00:00:05Z\" data-until=\"5\">0 s</time>");
}

#ifdef JIT_TEST_NO_MEMORY
static void write_all(struct jb_html *h)
{
	jb_html_begin(h);
	for (int i = 0; i < 100; i++) {
		jb_html(h, "<li>");
		jb_html_foreign(h, "a < b & c > d");
		jb_html_time(h, 1795363200 + i);
		jb_html_number(h, i);
	}
}

/* Half of a page could show a button without what it is for. */
static void a_page_is_whole_or_there_is_none(void **state)
{
	struct jb_html whole, h;
	unsigned failed = 0;
	bool all = false;

	(void)state;
	if (!memory_can_run_out())
		skip();
	write_all(&whole);
	assert_true(jb_html_whole(&whole));
	for (long nth = 0; !all; nth++) {
		left = nth;
		write_all(&h);
		all = left >= 0;
		left = LONG_MAX;
		failed += !jb_html_whole(&h);
		if (jb_html_whole(&h))
			assert_string_equal(h.draft.text, whole.draft.text);
		jb_html_clear(&h);
	}
	assert_true(failed > 10);
	jb_html_clear(&whole);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays_text),
		cmocka_unit_test(what_steers_the_eye_or_a_terminal_is_shown_as_a_question_mark),
		cmocka_unit_test(a_value_cannot_leave_its_attribute),
		cmocka_unit_test(a_segment_cannot_become_another_place),
		cmocka_unit_test(times_are_for_people_and_for_scripts),
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(a_page_is_whole_or_there_is_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
