/* Keys and tokens: their form, their hashes, and comparisons that fail closed. */
#include "unit.h"

#include <openssl/crypto.h>
#include <string.h>

#include "secret.h"

static void a_key_has_its_form_and_fits_its_hash_alone(void **state)
{
	char key[JB_SECRET_SIZE], other[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], found[JB_SECRET_ID_SIZE],
		hash[JB_HASH_SIZE], other_hash[JB_HASH_SIZE];

	(void)state;
	assert_int_equal(jb_secret_new_key(key, id, hash), 0);
	assert_int_equal(jb_secret_new_key(other, found, other_hash), 0);
	assert_string_not_equal(key, other);
	assert_memory_equal(key, "jitk_", 5);
	assert_int_equal(strlen(key), 5 + 16 + 1 + 43);
	assert_true(jb_secret_key_id(key, found));
	assert_string_equal(found, id);
	assert_true(jb_secret_fits(key, hash));
	assert_false(jb_secret_fits(key, other_hash));
	assert_false(jb_secret_fits(NULL, hash));
	assert_false(jb_secret_fits(key, NULL));
	assert_false(jb_secret_fits(key, ""));
	assert_int_equal(jb_secret_new_token(key, hash), 0);
	assert_memory_equal(key, "jitg_", 5);
	assert_true(jb_secret_fits(key, hash));
	assert_false(jb_secret_key_id(key, found));
}

static void what_is_no_key_has_no_id(void **state)
{
	static const char *const texts[] = {
		"",
		"jitk_",
		"jitk_0123456789abcdef",
		"jitk_0123456789abcdeF_x",
		"jitk_0123456789abcde_x",
		"jitk_0123456789abcdef0_x",
		"xitk_0123456789abcdef_x",
		"jitk_0123456789abcdef_0123456789012345678901234567890123456789012345678901234567890123456789"};
	char id[JB_SECRET_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_false(jb_secret_key_id(texts[i], id));
	assert_false(jb_secret_key_id(NULL, id));
	assert_true(jb_secret_key_id("jitk_0123456789abcdef_x", id));
}

static void hashing_is_sha256(void **state)
{
	char hash[JB_HASH_SIZE];

	(void)state; /* FIPS 180-4's example */
	assert_int_equal(jb_sha256_hex("abc", 3, hash), 0);
	assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void only_equal_texts_are_the_same(void **state)
{
	(void)state;
	assert_true(jb_secret_same("47", "47"));
	assert_true(jb_secret_same("", ""));
	assert_false(jb_secret_same("47", "48"));
	assert_false(jb_secret_same("47", "4"));
	assert_false(jb_secret_same("47", "470"));
	assert_false(jb_secret_same(NULL, NULL));
	assert_false(jb_secret_same("", NULL));
}

static size_t compared; /* bytes, in constant time */

/* In OpenSSL's place for this program: the linker finds it first. */
int CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
	compared += len;
	return memcmp(a, b, len);
}

static void a_comparison_takes_as_long_wherever_the_difference_is(void **state)
{
	char key[JB_SECRET_SIZE], id[JB_SECRET_ID_SIZE], hash[JB_HASH_SIZE];

	(void)state;
	assert_int_equal(jb_secret_new_key(key, id, hash), 0);
	for (size_t i = 0; i < sizeof(hash) - 1; i++) {
		hash[i] ^= 1;
		compared = 0;
		assert_false(jb_secret_fits(key, hash));
		assert_int_equal(compared, sizeof(hash) - 1);
		hash[i] ^= 1;
	}
	assert_true(jb_secret_fits(key, hash));
	compared = 0;
	assert_false(jb_secret_same("47", "57"));
	assert_int_equal(compared, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_has_its_form_and_fits_its_hash_alone),
		cmocka_unit_test(what_is_no_key_has_no_id),
		cmocka_unit_test(hashing_is_sha256),
		cmocka_unit_test(only_equal_texts_are_the_same),
		cmocka_unit_test(a_comparison_takes_as_long_wherever_the_difference_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
