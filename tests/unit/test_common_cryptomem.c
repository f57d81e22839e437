/* What OpenSSL frees is wiped, also where the next one to take it would find it. */
#include "unit.h"

#include <openssl/crypto.h>
#include <string.h>

#include "cryptomem.h"

#define LEN   200
#define LINKS 16 /* bytes: malloc's own in what is free */

static const volatile char *freed;

/* As it is found by who takes it next. */
static bool is_wiped(void)
{
	char *again = OPENSSL_malloc(LEN);
	bool clean = true;

	assert_ptr_equal(again, freed);
	for (size_t i = LINKS; i < LEN; i++)
		clean = clean && freed[i] == '\0';
	OPENSSL_free(again);
	return clean;
}

static void *secret(void)
{
	char *block = OPENSSL_malloc(LEN);

	assert_non_null(block);
	memset(block, 'k', LEN);
	freed = block;
	return block;
}

static void it_begins_before_anything_else_uses_openssl(void **state)
{
	char why[256];

	(void)state;
	assert_true(jit_cryptomem_wipes(why, sizeof(why)));
}

static void what_is_freed_is_wiped(void **state)
{
	(void)state;
	if (is_instrumented() || is_under_valgrind()) /* they keep what is freed from being taken again */
		skip();
	OPENSSL_free(secret());
	assert_true(is_wiped());
}

static void what_grows_elsewhere_is_wiped_where_it_was(void **state)
{
	(void)state;
	if (is_instrumented() || is_under_valgrind())
		skip();
	char *block = secret(), *wall = OPENSSL_malloc(LEN); /* it cannot grow where it is */
	char *grown = OPENSSL_realloc(block, (size_t)20 * LEN);
	assert_non_null(grown);
	assert_int_equal(grown[LEN - 1], 'k');
	assert_true(is_wiped());
	OPENSSL_free(grown);
	OPENSSL_free(wall);
}

static void what_is_none_and_what_shrinks_is_as_with_libc(void **state)
{
	char *block = OPENSSL_realloc(NULL, LEN);

	(void)state;
	assert_non_null(block);
	memset(block, 'k', LEN);
	char *less = OPENSSL_realloc(block, LINKS);
	assert_ptr_equal(less, block);
	assert_int_equal(less[LINKS - 1], 'k');
	assert_null(OPENSSL_realloc(less, 0));
	OPENSSL_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_before_anything_else_uses_openssl),
		cmocka_unit_test(what_is_freed_is_wiped),
		cmocka_unit_test(what_grows_elsewhere_is_wiped_where_it_was),
		cmocka_unit_test(what_is_none_and_what_shrinks_is_as_with_libc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
