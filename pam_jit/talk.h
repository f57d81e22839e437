/*
 * The person: what the module shows and asks, through the application's PAM
 * conversation, and on the terminal itself for the one line that counts down.
 * Every text is made safe once more here, whoever sent it.
 */
#ifndef PJ_TALK_H
#define PJ_TALK_H

#include "args.h"
#include "proto.h"
#include "verdict.h"

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pj_talk {
	pam_handle_t *pamh;
	bool mute;		     /* nothing may be shown: pkexec, which opens polkit's session, dies of any text */
	bool live;		     /* text is shown at once: waits are, too */
	bool may_draw;		     /* the application's terminal is the person's */
	int tty;		     /* -1 until a countdown is drawn */
	bool drawn;		     /* the cursor stands in a countdown's line */
	char waiting[JIT_LINE_SIZE]; /* what is awaited; "" nothing */
	int64_t until;		     /* its deadline, jit_boottime_ms */
	int64_t not_before;	     /* of the next drawing: what was just said is mostly the wait's end */
};

/* Whether text is shown at once is found out here. */
void pj_talk_start(struct pj_talk *talk, pam_handle_t *pamh, enum pj_phase phase, enum pj_app app);
/* Ends the countdown's line and closes the terminal. Later texts go through the conversation as before. */
void pj_talk_end(struct pj_talk *talk);

/* True where the application gave PAM a conversation at all. Whether it can prompt shows at the first prompt. */
bool pj_talk_can_ask(pam_handle_t *pamh);

void pj_talk_say(struct pj_talk *talk, bool error, const char *text);

/* Prompts; the answer, made safe, goes into buf, which the caller wipes. 0; -EIO where nobody answered. */
int pj_talk_ask(struct pj_talk *talk, const char *text, bool echo, char *buf, size_t size);

/*
 * A wait begins or goes on. Where text is not live nothing is shown: it would come when the wait is over, and on a
 * channel without a terminal break who reads there. Else it is shown once, or, where the module runs in the
 * terminal's foreground, as a line that pj_talk_tick keeps counting down.
 */
void pj_talk_wait(struct pj_talk *talk, const char *text, int64_t until);

/* Draws the countdown; the time (jit_boottime_ms) of the next drawing, INT64_MAX where nothing is drawn. */
int64_t pj_talk_tick(struct pj_talk *talk);

/* "TEXT, 4:59 left" in at most `columns` columns, the text cut where it must be. Never more than size bytes. */
void pj_talk_countdown(char *buf, size_t size, const char *text, int64_t left_ms, unsigned columns);

#endif
