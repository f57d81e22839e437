/*
 * session.sock: what `jit` asks. One frame, one answer, closed. Credentials are
 * answered from memory; what opens requests at the broker is in ahead_side.h.
 */
#ifndef JH_SESSION_SIDE_H
#define JH_SESSION_SIDE_H

#include "elevation.h"
#include "peer.h"

struct json_object;

/* Into one frame? */
bool jh_json_fits(struct json_object *json);
/* Answers, and closes. The document is put. */
void jh_send_json(struct jh_peer *peer, struct json_object *json);
void jh_fault_and_close(struct jh_peer *peer, enum jit_exit status, const char *sentence);

struct jh_listener *jh_session_side_new(struct jh_helper *helper, int fd);

/* The grant's credentials have come, or AWS refuses them for good: whoever waits for them is told. */
void jh_waiters_wake(struct jh_grant *grant);
/* The elevation ends: whoever waits under it gets a FAULT. */
void jh_waiters_refuse(struct jh_elevation *elevation, enum jit_exit status, const char *sentence);

#endif
