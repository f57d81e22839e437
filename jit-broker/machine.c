/* See machine.h. */
#include "machine.h"

#include <stdlib.h>

#include "clock.h"
#include "log.h"

#define STEP_MS 10000 /* by which the wall clock may have been set without a word */
#define ENOUGH	65536 /* bytes: less do not serve a call */

/* Who wonders why so much is over at once, or why AWS takes no signature any more, reads it here. */
static void look_at_clock(struct jb_machine *machine)
{
	const int64_t clock_ms = jit_wall_s() * 1000 - jit_boottime_ms(), step_ms = clock_ms - machine->clock_ms;

	if (machine->clock_ms && llabs(step_ms) >= STEP_MS)
		jit_log(LOG_WARNING,
			"the wall clock was put %s by %lld s, and with it what is due: check this machine's time",
			step_ms > 0 ? "forward" : "back", llabs(step_ms) / 1000);
	machine->clock_ms = clock_ms;
}

/* Who has no memory closes a connection, or says nothing on it: that is all that a host sees. */
static void look_at_memory(struct jb_machine *machine)
{
	void *volatile piece = malloc(ENOUGH); /* else the compiler knows better */
	const bool out = !piece;

	free(piece);
	if (out && !machine->short_of_memory)
		jit_log(LOG_ERR, "the broker is out of memory: calls are not answered until there is some again");
	if (!out && machine->short_of_memory)
		jit_log(LOG_NOTICE, "the broker has memory again");
	machine->short_of_memory = out;
}

void jb_machine_look(struct jb_machine *machine)
{
	look_at_clock(machine);
	look_at_memory(machine);
}
