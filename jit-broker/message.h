/*
 * A notice as people read it: a headline, what it is about line by line, and
 * what to do. Every text is clean and of bounded length; which of them somebody
 * wrote is marked, so that no format takes them for its own. No I/O.
 */
#ifndef JB_MESSAGE_H
#define JB_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#define JB_MESSAGE_LINES    16
#define JB_MESSAGE_TEXT	    400 /* bytes of a text, NUL included */
#define JB_MESSAGE_HEADLINE 250

struct json_object;

struct jb_message {
	char headline[JB_MESSAGE_HEADLINE]; /* names from outside stand in it */
	struct {
		const char *label; /* ours */
		char text[JB_MESSAGE_TEXT];
	} line[JB_MESSAGE_LINES];
	size_t count;
	const char *advice; /* ours; "" for none */
	char id[40];	    /* the request's short id; "" for none */
	bool wants_code;    /* approving it wants the code on the requester's terminal */
	bool waits;	    /* for the decision of whoever reads this */
};

/* Of the outbox's document, for that receiver ("requester:op1": in whose name it was). False: it is no such document.
 */
bool jb_message_read(struct json_object *doc, const char *receiver, struct jb_message *ret);

#endif
