/* A loop with patience, for tests of what runs in an event loop. */
#ifndef JIT_TEST_UNTIL_H
#define JIT_TEST_UNTIL_H

#include <event2/event.h>
#include <stdbool.h>

#define PATIENCE_S 20 /* nobody waits for it where all is well */

static inline void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Runs the loop until the condition holds; false when patience runs out first. */
#define UNTIL(b, condition)                                                                                            \
	({                                                                                                             \
		bool over_ = false;                                                                                    \
		const struct timeval tv_ = {.tv_sec = PATIENCE_S};                                                     \
		struct event *patience_ = evtimer_new((b)->base, on_patience, &over_);                                 \
		event_add(patience_, &tv_);                                                                            \
		while (!(condition) && !over_)                                                                         \
			event_base_loop((b)->base, EVLOOP_ONCE);                                                       \
		event_free(patience_);                                                                                 \
		!over_;                                                                                                \
	})

#endif
