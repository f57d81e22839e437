/* Cookies and forms: what is there twice, or written wrongly, is refused. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "form.h"

static void a_cookie_is_found_by_its_whole_name(void **state)
{
	char value[32];

	(void)state;
	assert_int_equal(jb_cookie("a=1; __Host-jit=xyz; b=2", "__Host-jit", value, sizeof(value)), 0);
	assert_string_equal(value, "xyz");
	assert_int_equal(jb_cookie("__Host-jit=", "__Host-jit", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(jb_cookie("x__Host-jit=xyz", "__Host-jit", value, sizeof(value)), -ENOENT);
	assert_int_equal(jb_cookie("__Host-jit2=xyz", "__Host-jit", value, sizeof(value)), -ENOENT);
	assert_int_equal(jb_cookie("a=__Host-jit=xyz", "__Host-jit", value, sizeof(value)), -ENOENT);
	assert_int_equal(jb_cookie("", "a", value, sizeof(value)), -ENOENT);
	assert_int_equal(jb_cookie(NULL, "a", value, sizeof(value)), -ENOENT);
}

static void a_cookie_there_twice_or_too_long_or_odd_is_refused(void **state)
{
	static const char *const odd[] = {"a=1; a=1", "a=1; b=2; a=3", "a=12345678", "a=1 2",
					  "a=\"1\"",  "a=1,2",	       "a=\x7f"};
	char value[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(odd); i++)
		assert_int_equal(jb_cookie(odd[i], "a", value, sizeof(value)), -EINVAL);
}

static void a_forms_fields_are_decoded_once(void **state)
{
	static const char body[] = "code=47&comment=a%2Bb+%26+c%253D&empty=&word=%C3%A4";
	char value[32];

	(void)state;
	assert_int_equal(jb_form_field(body, "code", value, sizeof(value)), 0);
	assert_string_equal(value, "47");
	assert_int_equal(jb_form_field(body, "comment", value, sizeof(value)), 0);
	assert_string_equal(value, "a+b & c%3D");
	assert_int_equal(jb_form_field(body, "empty", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(jb_form_field(body, "word", value, sizeof(value)), 0);
	assert_string_equal(value, "\xc3\xa4");
	assert_int_equal(jb_form_field(body, "cod", value, sizeof(value)), -ENOENT);
	assert_int_equal(jb_form_field("", "code", value, sizeof(value)), -ENOENT);
}

static void a_field_there_twice_or_wrongly_written_is_refused(void **state)
{
	static const char *const wrong[] = {"c=1&c=2", "c=1&x=2&c=1", "c=%",   "c=%4",
					    "c=%zz",   "c=%00",	      "c=%ff", "c=123456789"};
	char value[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_int_equal(jb_form_field(wrong[i], "c", value, sizeof(value)), -EINVAL);
}

static void only_a_form_is_one(void **state)
{
	(void)state;
	assert_true(jb_form_is("application/x-www-form-urlencoded"));
	assert_true(jb_form_is("Application/X-WWW-Form-Urlencoded;charset=UTF-8"));
	assert_false(jb_form_is("application/x-www-form-urlencodedx"));
	assert_false(jb_form_is("application/json"));
	assert_false(jb_form_is("text/plain"));
	assert_false(jb_form_is(NULL));
}

static void what_is_encoded_comes_back(void **state)
{
	static const char text[] = "a b;c=\"d\", \xe2\x80\x94 100%\r\n<x>";
	char encoded[128], field[160] = "f=", back[64], value[128];

	(void)state;
	assert_true(jb_form_encode(text, encoded, sizeof(encoded)));
	strcat(field, encoded);
	assert_int_equal(jb_form_field(field, "f", back, sizeof(back)), 0);
	assert_string_equal(back, text);
	assert_int_equal(jb_cookie(field, "f", value, sizeof(value)), 0);
	assert_string_equal(value, encoded);
	assert_false(jb_form_encode("12345678", encoded, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
		cmocka_unit_test(a_cookie_there_twice_or_too_long_or_odd_is_refused),
		cmocka_unit_test(a_forms_fields_are_decoded_once),
		cmocka_unit_test(a_field_there_twice_or_wrongly_written_is_refused),
		cmocka_unit_test(only_a_form_is_one),
		cmocka_unit_test(what_is_encoded_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
