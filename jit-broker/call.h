/*
 * One call of the API, from its last byte to the last byte of its answer, as its
 * handlers see it: what was asked, by whom, and how it is answered. Whether it
 * came over a connection (server.h) or in an event is the transport's own affair
 * (call_transport.h).
 */
#ifndef JB_CALL_H
#define JB_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "source.h"

/* Owned by its transport. */
struct jb_call;

/* What was asked; valid until the call is answered and the handler has returned. */
const char *jb_call_method(const struct jb_call *call);
const char *jb_call_path(const struct jb_call *call);
const char *jb_call_header(const struct jb_call *call, const char *name);		 /* NULL when absent */
int jb_call_query(const struct jb_call *call, const char *name, char *buf, size_t size); /* as jb_http_query */
int jb_call_query_next(const struct jb_call *call, const char *name, const char **at, char *buf,
		       size_t size);				       /* as jb_http_query_next */
const char *jb_call_body(const struct jb_call *call, size_t *ret_len); /* NUL-terminated, never NULL */

/* Whose connection it is: the peer's own address, whatever a header says. */
const struct jb_address *jb_call_peer(const struct jb_call *call);

/*
 * Has the peer proved that it has a certificate of that dNSName, which is good
 * now? False with what is wrong, as half a sentence: "no client certificate came with it".
 */
bool jb_call_certified(struct jb_call *call, const char *name, char *why, size_t why_size);

/* The host that it came from, where whoever brought the call vouches for that itself; NULL: its API key says. */
const char *jb_call_host(const struct jb_call *call);

/* The peer proved who it is: its connection may lie idle for long. */
void jb_call_trust(struct jb_call *call);

/* True: its answer may come when something has changed. False: it has to come now, and says after how many seconds to
 * ask again. */
bool jb_call_can_wait(struct jb_call *call, unsigned again_s);

/*
 * For an answer that comes later: `gone` is told when the peer leaves (or 60 s
 * pass) before it; the call is then no more. NULL takes the callback back.
 */
void jb_call_on_gone(struct jb_call *call, void (*gone)(void *arg), void *arg);

/*
 * Answers, exactly once a call. `headers`: whole lines ("Retry-After: 1\r\n") or
 * ""; without a Cache-Control of its own an answer is not kept. Sent as one piece and wiped afterwards. The gone
 * callback is forgotten.
 */
void jb_call_reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len);

#endif
