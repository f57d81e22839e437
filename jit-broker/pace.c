/* See pace.h. */
#include "pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 256 /* whoever has not been seen for longest gives way; to be forgotten so takes 256 sign-ins */

struct jb_pace {
	struct place {
		char id[33];
		int64_t minute, last;
		unsigned count;
	} places[PLACES];
};

struct jb_pace *jb_pace_new(void)
{
	return calloc(1, sizeof(struct jb_pace));
}

bool jb_pace(struct jb_pace *pace, const char *id, int64_t now)
{
	struct place *place = &pace->places[0];

	for (size_t i = 0; i < PLACES; i++) {
		if (strcmp(pace->places[i].id, id) == 0) {
			place = &pace->places[i];
			break;
		}
		if (pace->places[i].last < place->last)
			place = &pace->places[i];
	}
	if (strcmp(place->id, id) != 0) {
		*place = (struct place){.minute = now};
		snprintf(place->id, sizeof(place->id), "%s", id);
	}
	place->last = now;
	if (now >= place->minute + 60 || now < place->minute) {
		place->minute = now;
		place->count = 0;
	}
	return place->count < JB_PACE_A_MINUTE && ++place->count;
}
