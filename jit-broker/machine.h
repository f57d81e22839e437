/* What the broker sees of its own machine that would otherwise show only in what goes wrong: it is logged once. */
#ifndef JB_MACHINE_H
#define JB_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct jb_machine {
	int64_t clock_ms;     /* the wall clock less the time since boot, at the last look; 0 before it */
	bool short_of_memory; /* at the last look */
};

/* To be called every few seconds: was the wall clock set meanwhile, is there memory? */
void jb_machine_look(struct jb_machine *machine);

#endif
