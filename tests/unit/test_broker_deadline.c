/* Deadlines and other timers while memory runs out: none is lost. */
#include "unit.h"

#include <event2/event.h>

#include "deadline.h"
#include "no_memory.h"

#ifdef JIT_TEST_NO_MEMORY

#define MANY   500
#define HOUR_S 3600

static const struct timeval plain = {.tv_sec = HOUR_S};

struct timers {
	struct event_base *base;
	struct event *timer[MANY];
	unsigned came;
};

static void came(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(unsigned *)arg;
}

static void begin(struct timers *t)
{
	*t = (struct timers){.base = event_base_new()};
	assert_non_null(t->base);
	for (size_t i = 0; i < MANY; i++)
		assert_non_null(t->timer[i] = evtimer_new(t->base, came, &t->came));
}

static void end(struct timers *t)
{
	for (size_t i = 0; i < MANY; i++)
		event_free(t->timer[i]);
	event_base_free(t->base);
}

static unsigned pending(const struct timers *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < MANY; i++)
		n += event_pending(t->timer[i], EV_TIMEOUT, NULL) != 0;
	return n;
}

static void a_deadline_that_cannot_be_kept_comes_at_once(void **state)
{
	struct timers t;

	(void)state;
	if (!memory_can_run_out())
		skip();
	begin(&t);
	jb_deadline_set(t.timer[0], HOUR_S * 1000); /* this length is known from now on */
	bool failed = false;
	for (size_t i = 1; !failed; i++) {
		assert_true(i < MANY);
		assert_int_equal(event_add(t.timer[i], &plain), 0);
		event_del(t.timer[0]);
		left = 0;
		jb_deadline_set(t.timer[0], HOUR_S * 1000);
		failed = left != 0;
		left = LONG_MAX;
	}
	event_base_loop(t.base, EVLOOP_NONBLOCK);
	assert_int_equal(t.came, 1);
	end(&t);
}

static void there_is_room_for_all_others(void **state)
{
	struct timers t;

	(void)state;
	if (!memory_can_run_out())
		skip();
	begin(&t);
	assert_int_equal(jb_deadline_reserve(t.base), 0);
	left = 0;
	for (size_t i = 0; i < MANY; i++)
		event_add(t.timer[i], &plain);
	const bool none_was_taken = left == 0;
	left = LONG_MAX;
	assert_int_equal(pending(&t), MANY);
	assert_true(none_was_taken);
	end(&t);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test(a_deadline_that_cannot_be_kept_comes_at_once),
		cmocka_unit_test(there_is_room_for_all_others),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
