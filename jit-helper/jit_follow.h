/*
 * Waiting for decisions: FOLLOW again and again, with a live line on a terminal,
 * through a restart of the helper. Ctrl-C, SIGTERM or SIGHUP withdraws what is
 * pending.
 */
#ifndef JIT_FOLLOW_H
#define JIT_FOLLOW_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto.h"

/* From here on those signals are kept for jit_follow, so that what is being filed can be withdrawn. */
void jit_follow_signals(void);

struct jit_follow {
	const char *socket;
	struct json_object *list; /* of requests; kept up to date */
	uint64_t seconds;	  /* at most */
	bool live;		  /* a line on stderr, a terminal, says what is awaited */
	void (*changed)(void *arg, struct json_object *request);
	void *arg;
};

/* JIT_EXIT_OK when nothing is pending any more, the time is over, or all was withdrawn; else its sentence is told. */
enum jit_exit jit_follow(const struct jit_follow *follow);

#endif
