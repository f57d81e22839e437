/* See evloop.h. */
#include "evloop.h"

#include <event2/event.h>

#include "registers.h"

int jit_evloop_run(struct event_base *base)
{
	int r;

	do {
		jit_registers_clear();
		r = event_base_loop(base, EVLOOP_ONCE);
	} while (r == 0 && !event_base_got_break(base) && !event_base_got_exit(base));
	return r;
}
