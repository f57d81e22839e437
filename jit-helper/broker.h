/*
 * The client of the broker's API: URL, API key and limits of every call in one
 * place. What the answers mean is judged elsewhere (verdict.h, answer.h).
 *
 * Of several brokers, which share one store, a call goes to the first that has
 * not failed, and where that fails, as it is, to the others in turn. One that
 * failed is passed over until it answers again: it is looked for every 10 s
 * while a later one serves, and less often where it only looked well.
 */
#ifndef JH_BROKER_H
#define JH_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "creds.h"
#include "fetch.h"

#define JH_ANSWER_MAX 65536 /* bytes of an answer about one request */

struct event_base;
struct jh_broker;

struct jh_call {
	const char *method;
	const char *path;	       /* "/requests/…", with its query */
	const char *body;	       /* JSON, or NULL */
	const char *idempotency_key;   /* or NULL */
	const struct jit_span *bearer; /* or NULL */
	long longer_ms;		       /* beyond broker_timeout: what the broker was asked to wait */
	size_t max_body;	       /* bytes of the answer; 0: JH_ANSWER_MAX */
	bool secret;		       /* the answer carries credentials in clear */
};

/* Reads the API key, and the certificate's where there is one, into the secure heap. NULL with a sentence in `why`, and
 * errno. `conf` must live longer. */
/* Where calls are signed it runs the loop until what signs them has come or failed, a few seconds at most. */
struct jh_broker *jh_broker_new(struct event_base *base, const struct jh_conf *conf, char *why, size_t why_size);
void jh_broker_free(struct jh_broker *broker);

/* When the certificate that it shows to brokers is no longer good, epoch seconds; 0: it shows none. */
int64_t jh_broker_certificate_end(const struct jh_broker *broker);

/* With broker_auth = iam: why nothing can be signed now; else, and where it can, NULL. */
const char *jh_broker_trouble(const struct jh_broker *broker);

/* The one that is asked now: for what people read. */
const char *jh_broker_url(const struct jh_broker *broker);

/* Looks now for those that failed and stand before the one that serves; it does so by itself every 10 s. */
void jh_broker_look(struct jh_broker *broker);

/* As jit_fetch_start. */
struct jit_fetch_call *jh_broker_call(struct jh_broker *broker, const struct jh_call *call, jit_fetch_done done,
				      void *arg);

#endif
