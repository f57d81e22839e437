/* For those that bring calls and take their answers away: what a call is made of. Handlers see call.h alone. */
#ifndef JB_CALL_TRANSPORT_H
#define JB_CALL_TRANSPORT_H

#include "call.h"
#include "http.h"

struct jb_transport {
	bool may_wait;
	void (*trust)(struct jb_call *call); /* NULL: it makes no difference */
	bool (*certified)(struct jb_call *call, const char *name, char *why, size_t why_size); /* NULL: nobody is */
	void (*reply)(struct jb_call *call, int status, const char *headers, const char *body, size_t len);
};

/* The first member of the transport's own record of a call, which owns what this points to. */
struct jb_call {
	const struct jb_transport *transport;
	struct jb_http_head head;
	char *body; /* head.content_length bytes and a NUL */
	struct jb_address peer;
	const char *host; /* see jb_call_host */
	unsigned again_s; /* nothing has changed, and it cannot wait: the answer says when to ask again; 0: it does not
			   */
	void (*gone)(void *arg);
	void *gone_arg;
};

/* The call is no more, and was not answered: whoever meant to answer it is told. */
void jb_call_lost(struct jb_call *call);

#endif
