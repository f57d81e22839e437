/* Nothing of what was copied last is left in the registers once they have been cleared, and none while a loop waits. */
#include "unit.h"

#include <event2/event.h>

#include "evloop.h"
#include "registers.h"

#ifdef __x86_64__

#define WIDEST 64 /* bytes */

static const unsigned char secret[WIDEST] = "the secret access key of a role, which is forty characters long";

/* Of each width the last register, where nothing of a test's own passes through. */
static __attribute__((noinline)) void fill_sse(void)
{
	__asm__ volatile("movups %0, %%xmm15" ::"m"(secret));
}

static __attribute__((noinline)) void read_sse(unsigned char ret[static WIDEST])
{
	__asm__ volatile("movups %%xmm15, %0" : "=m"(*(unsigned char(*)[WIDEST])ret));
}

static __attribute__((noinline)) void fill_avx(void)
{
	__asm__ volatile("vmovups %0, %%ymm15" ::"m"(secret));
}

static __attribute__((noinline)) void read_avx(unsigned char ret[static WIDEST])
{
	__asm__ volatile("vmovups %%ymm15, %0" : "=m"(*(unsigned char(*)[WIDEST])ret));
}

static __attribute__((noinline)) void fill_avx512(void)
{
	__asm__ volatile("vmovups %0, %%zmm31" ::"m"(secret));
}

static __attribute__((noinline)) void read_avx512(unsigned char ret[static WIDEST])
{
	__asm__ volatile("vmovups %%zmm31, %0" : "=m"(*(unsigned char(*)[WIDEST])ret));
}

struct width {
	size_t bytes;
	void (*fill)(void);
	void (*read)(unsigned char ret[static WIDEST]);
};

static const struct width widths[] = {
	{16, fill_sse, read_sse}, {32, fill_avx, read_avx}, {WIDEST, fill_avx512, read_avx512}};

/* How many of the widths this processor has. */
static size_t known(void)
{
	if (__builtin_cpu_supports("avx512f"))
		return 3;
	return __builtin_cpu_supports("avx") ? 2 : 1;
}

static void registers_of_every_width_are_cleared(void **state)
{
	static const unsigned char nothing[WIDEST];

	(void)state;
	for (size_t i = 0; i < known(); i++) {
		unsigned char before[WIDEST] = {0}, after[WIDEST] = {1};

		widths[i].fill();
		widths[i].read(before);
		widths[i].fill();
		jit_registers_clear();
		widths[i].read(after);
		assert_memory_equal(before, secret, widths[i].bytes);
		assert_memory_equal(after, nothing, widths[i].bytes);
	}
}

struct waits {
	struct event_base *base;
	const struct width *width;
	unsigned char seen[WIDEST];
};

static void on_secret(evutil_socket_t fd, short what, void *arg)
{
	const struct waits *w = arg;

	(void)fd;
	(void)what;
	w->width->fill();
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct waits *w = arg;

	w->width->read(w->seen);
	(void)fd;
	(void)what;
	event_base_loopbreak(w->base);
}

static void a_loop_that_waits_has_nothing_in_them(void **state)
{
	const struct timeval at_once = {0}, later = {.tv_usec = 20 * 1000};
	struct waits w = {.base = event_base_new(), .width = &widths[known() - 1], .seen = {1}};
	static const unsigned char nothing[WIDEST];

	(void)state;
	assert_non_null(w.base);
	assert_int_equal(event_base_once(w.base, -1, EV_TIMEOUT, on_secret, &w, &at_once), 0);
	assert_int_equal(event_base_once(w.base, -1, EV_TIMEOUT, on_later, &w, &later), 0);
	assert_int_equal(jit_evloop_run(w.base), 0);
	assert_memory_equal(w.seen, nothing, w.width->bytes);
	event_base_free(w.base);
}

#endif

static void count(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	++*(int *)arg;
}

static void a_loop_ends_when_it_is_told_to_or_has_nothing_left(void **state)
{
	const struct timeval soon = {.tv_usec = 1000}, late = {.tv_sec = 60};
	struct event_base *base = event_base_new();
	int called = 0;

	(void)state;
	assert_non_null(base);
	for (int i = 0; i < 3; i++)
		assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, count, &called, &soon), 0);
	assert_int_equal(jit_evloop_run(base), 1);
	assert_int_equal(called, 3);

	struct event *far = event_new(base, -1, EV_PERSIST, count, &called);
	assert_int_equal(event_add(far, &late), 0);
	assert_int_equal(event_base_loopexit(base, &soon), 0);
	assert_int_equal(jit_evloop_run(base), 0);
	assert_int_equal(called, 3);
	event_free(far);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __x86_64__
		cmocka_unit_test(registers_of_every_width_are_cleared),
		cmocka_unit_test(a_loop_that_waits_has_nothing_in_them),
#endif
		cmocka_unit_test(a_loop_ends_when_it_is_told_to_or_has_nothing_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
