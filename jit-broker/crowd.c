/* See crowd.h. */
#include "crowd.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define SHARE	  4   /* of all connections one address has this part, as a stranger, */
#define SHARE_MIN 256 /* and this many where that is more */

/* An address with strangers from there. */
struct jb_place {
	struct jb_address address;
	struct jb_guest_list strangers;
	unsigned count;
};

static int compare(const void *a, const void *b)
{
	const struct jb_place *x = a, *y = b;

	return memcmp(x->address.byte, y->address.byte, sizeof(x->address.byte));
}

static struct jb_place *find_place(const struct jb_crowd *crowd, const struct jb_address *address)
{
	const struct jb_place wanted = {.address = jb_address_site(address)};
	void *found = tfind(&wanted, &crowd->places, compare);

	return found ? *(struct jb_place **)found : NULL;
}

static struct jb_place *make_place(struct jb_crowd *crowd, const struct jb_address *address)
{
	struct jb_place *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	place->address = jb_address_site(address);
	TAILQ_INIT(&place->strangers);
	if (!tsearch(place, &crowd->places, compare)) {
		free(place);
		return NULL;
	}
	return place;
}

static void leave_place(struct jb_guest *guest)
{
	struct jb_place *place = guest->place;

	guest->place = NULL;
	if (!place)
		return;
	TAILQ_REMOVE(&place->strangers, guest, of_place);
	if (--place->count)
		return;
	tdelete(place, &guest->crowd->places, compare);
	free(place);
}

void jb_crowd_init(struct jb_crowd *crowd, unsigned max)
{
	*crowd = (struct jb_crowd){.max = max, .max_of_place = max / SHARE > SHARE_MIN ? max / SHARE : SHARE_MIN};
	TAILQ_INIT(&crowd->strangers);
	TAILQ_INIT(&crowd->idle);
}

bool jb_crowd_room(const struct jb_crowd *crowd, const struct jb_address *from, struct jb_guest **ret_leaver)
{
	const struct jb_place *place = from->known ? find_place(crowd, from) : NULL;

	*ret_leaver = NULL;
	if (place && place->count >= crowd->max_of_place)
		*ret_leaver = TAILQ_FIRST(&place->strangers);
	else if (crowd->count >= crowd->max)
		*ret_leaver =
			TAILQ_EMPTY(&crowd->strangers) ? TAILQ_FIRST(&crowd->idle) : TAILQ_FIRST(&crowd->strangers);
	return *ret_leaver || crowd->count < crowd->max;
}

int jb_crowd_enter(struct jb_crowd *crowd, struct jb_guest *guest, const struct jb_address *from)
{
	struct jb_place *place = from->known ? find_place(crowd, from) : NULL;

	if (from->known && !place && !(place = make_place(crowd, from)))
		return -ENOMEM;
	*guest = (struct jb_guest){.crowd = crowd, .is = JB_STRANGER, .place = place};
	if (place) {
		TAILQ_INSERT_TAIL(&place->strangers, guest, of_place);
		place->count++;
	}
	TAILQ_INSERT_TAIL(&crowd->strangers, guest, of_kind);
	crowd->count++;
	return 0;
}

static void leave_kind(struct jb_guest *guest)
{
	if (guest->is == JB_STRANGER)
		TAILQ_REMOVE(&guest->crowd->strangers, guest, of_kind);
	else if (guest->is == JB_IDLE)
		TAILQ_REMOVE(&guest->crowd->idle, guest, of_kind);
}

void jb_crowd_trust(struct jb_guest *guest)
{
	leave_place(guest);
	leave_kind(guest);
	guest->is = JB_BUSY;
}

void jb_crowd_set_idle(struct jb_guest *guest, bool idle)
{
	if (guest->is == JB_STRANGER)
		return;
	leave_kind(guest);
	guest->is = idle ? JB_IDLE : JB_BUSY;
	if (idle)
		TAILQ_INSERT_TAIL(&guest->crowd->idle, guest, of_kind);
}

void jb_crowd_leave(struct jb_guest *guest)
{
	if (!guest->crowd)
		return;
	leave_place(guest);
	leave_kind(guest);
	guest->crowd->count--;
	guest->crowd = NULL;
}
