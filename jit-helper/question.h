/*
 * What the module asks: the fields of an ELEVATE or OPEN, checked and cleaned,
 * with the role and duration that the configuration adds. No I/O.
 */
#ifndef JH_QUESTION_H
#define JH_QUESTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"
#include "frame.h"
#include "proto.h"

/* The role that is asked for where none was named: the broker's policy chooses. */
#define JH_ROLE_ANY   "*"
#define JH_ROLE_WORDS (JIT_NAME_SIZE + 8) /* bytes */

struct jh_question {
	char service[JIT_NAME_SIZE];
	char app[16];
	char requester[JIT_NAME_SIZE];
	uid_t uid;
	char target[JIT_NAME_SIZE]; /* "": not known yet */
	char tty[JIT_NAME_SIZE];
	char rhost[JIT_NAME_SIZE];
	char role[JIT_NAME_SIZE];
	char command[JIT_COMMAND_SIZE];
	char cwd[JIT_COMMAND_SIZE];
	char reason[JIT_LINE_SIZE];
	char ticket[JIT_LINE_SIZE];
	char grant[JIT_ID_SIZE];
	bool can_ask;
	bool live;    /* text is shown as it is said */
	bool observe; /* nothing is to be done */
	bool glass;   /* break-glass was asked for beforehand */
	uint32_t wait_s;
	int64_t duration_s;
	enum jh_unattended unattended;
	bool resume;	       /* what it files goes on without its connection */
	int64_t silent_wait_s; /* how long it may wait where nothing can be shown */
};

/* 0, or -EINVAL with a sentence in `why`. */
int jh_question_read(const struct jit_frame *frame, const struct jh_conf *conf, struct jh_question *ret, char *why,
		     size_t why_size);

/* "role admin", or what to call the one that nobody has named; in `buf` of JH_ROLE_WORDS bytes, which is returned. */
const char *jh_role_words(const char *role, char buf[static JH_ROLE_WORDS]);

/* In these the process that asks in account is not yet in the requester's login session. */
bool jh_question_is_login(const struct jh_question *question);

/* A service without a session phase (polkit): what is allowed is used at once. */
bool jh_question_is_final(const struct jh_question *question);

/* The moment (boottime ms) at which the helper gives an answer of its own: before the module gives up. */
int64_t jh_question_deadline(int64_t now_ms, uint32_t wait_s, int64_t timeout_s);

#endif
