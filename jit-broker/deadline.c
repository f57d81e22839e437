/* See deadline.h. */
#include "deadline.h"

#include <event2/event.h>

void jb_deadline_set(struct event *timer, unsigned ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
	/* The same one for the same length; NULL: there are too many lengths already. */
	const struct timeval *alike = event_base_init_common_timeout(event_get_base(timer), &tv);

	event_add(timer, alike ? alike : &tv);
}
