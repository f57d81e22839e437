/* The writer of HTML: whatever somebody else wrote stays text, wherever it stands. */
#include "unit.h"

#include <string.h>

#include "html.h"

static void assert_written(struct jb_html *h, const char *expected)
{
	assert_true(jb_html_end(h));
	assert_string_equal(h->text, expected);
	jb_html_clear(h);
}

static void text_stays_text(void **state)
{
	struct jb_html h;

	(void)state;
	assert_true(jb_html_begin(&h));
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
	assert_true(jb_html_begin(&h));
	jb_html_foreign(&h, "a\x1b[2Jb\xe2\x80\xaetxt\xe2\x81\xa6 \xff \x07\n");
	assert_written(&h, "<bdi>a?[2Jb?txt? ? ?"
			   "?</bdi>");
}

static void a_value_cannot_leave_its_attribute(void **state)
{
	struct jb_html h;

	(void)state;
	assert_true(jb_html_begin(&h));
	jb_html(&h, "<input");
	jb_html_attr(&h, "value", "\" onfocus='x' autofocus x=\"`");
	jb_html(&h, ">");
	assert_written(&h, "<input value=\"&quot; onfocus=&#39;x&#39; autofocus x=&quot;`\">");
}

static void a_segment_cannot_become_another_place(void **state)
{
	struct jb_html h;

	(void)state;
	assert_true(jb_html_begin(&h));
	jb_html(&h, "<a");
	jb_html_url(&h, "href", "/r/", "../x?y#z\"><\xc3\xa4", "/edit");
	jb_html(&h, ">");
	assert_written(&h, "<a href=\"/r/..%2Fx%3Fy%23z%22%3E%3C%C3%A4/edit\">");
}

static void times_are_for_people_and_for_scripts(void **state)
{
	struct jb_html h;

	(void)state;
	assert_true(jb_html_begin(&h));
	jb_html_time(&h, 1795363200);
	assert_written(&h, "<time datetime=\"2026-11-22T16:00:00Z\">22 Nov 2026, 16:00:00 UTC</time>");
	assert_true(jb_html_begin(&h));
	jb_html_left(&h, 1795363200 + 252, 1795363200);
	assert_written(
		&h,
		"<time class=\"left\" datetime=\"2026-11-22T16:04:12Z\" data-until=\"1795363452\">4 min 12 s</time>");
	assert_true(jb_html_begin(&h));
	jb_html_left(&h, 5, 10);
	assert_written(&h, "<time class=\"left\" datetime=\"1970-01-01T00:00:05Z\" data-until=\"5\">0 s</time>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stays_text),
		cmocka_unit_test(what_steers_the_eye_or_a_terminal_is_shown_as_a_question_mark),
		cmocka_unit_test(a_value_cannot_leave_its_attribute),
		cmocka_unit_test(a_segment_cannot_become_another_place),
		cmocka_unit_test(times_are_for_people_and_for_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
