/* A key pair that is ready before it is needed is nobody else's, and the next one is made without being asked for. */
#include "unit.h"

#include <event2/event.h>

#include "alarm.h"
#include "seal.h"
#include "spare.h"

#define KEYS 4

static void everybody_gets_a_key_of_their_own(void **state)
{
	struct event_base *base = event_base_new();
	struct jh_alarms *alarms = jh_alarms_new(base);
	struct jh_spare *spare = jh_spare_new(alarms);
	EVP_PKEY *key[KEYS];

	(void)state;
	assert_non_null(spare);
	event_base_loop(base, EVLOOP_ONCE); /* the first one is made */
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(jh_spare_take(spare, &key[i]), 0);
		if (i == 1) /* and the next one, after it was taken */
			event_base_loop(base, EVLOOP_ONCE);
	}
	for (int i = 0; i < KEYS; i++)
		for (int k = 0; k < i; k++)
			assert_int_equal(EVP_PKEY_eq(key[i], key[k]), 0);
	for (int i = 0; i < KEYS; i++)
		EVP_PKEY_free(key[i]);
	jh_spare_free(spare);
	jh_alarms_free(alarms);
	event_base_free(base);
}

static void without_a_spare_one_is_made(void **state)
{
	EVP_PKEY *key = NULL;

	(void)state;
	assert_int_equal(jh_spare_take(NULL, &key), 0);
	assert_non_null(key);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_gets_a_key_of_their_own),
		cmocka_unit_test(without_a_spare_one_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
