/* What `jit status` shows: the grants of a login session as JSON. Holds no secret. */
#ifndef JH_STATUS_H
#define JH_STATUS_H

#include <stdbool.h>

struct json_object;
struct jh_helper;
struct jh_session;

/* The caller puts it. NULL: out of memory. */
struct json_object *jh_status_json(const struct jh_helper *helper, const struct jh_session *session, bool elevated);

#endif
