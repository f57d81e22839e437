/* What `jit status` shows and `jit end` ends: what a process that asks has a say in. Holds no secret. */
#ifndef JH_STATUS_H
#define JH_STATUS_H

#include <stdbool.h>

#include "session.h"

struct json_object;
struct jh_helper;
struct jh_grant;

/* Who asks. */
struct jh_speaker {
	struct jh_session session;    /* the login session it stands in, or that its elevation was begun from */
	const struct jh_grant *under; /* of its elevation, which may be of another place; NULL: it is in none */
};

/* Is it that login session's, or what the asker is elevated under? */
bool jh_speaker_holds(const struct jh_speaker *speaker, const struct jh_grant *grant);

/* The caller puts it. NULL: out of memory. */
struct json_object *jh_status_json(const struct jh_helper *helper, const struct jh_speaker *speaker);

#endif
