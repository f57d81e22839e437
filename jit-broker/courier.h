/*
 * Brings one message to one receiver, once: renders it for the receiver, signs
 * it, sends it, says how that went. Trying again is notify.c's. One courier a
 * channel: its own connections, so that no receiver waits for another's.
 */
#ifndef JB_COURIER_H
#define JB_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "notice.h"

struct event_base;
struct jb_courier;
struct jb_sending;

enum jb_brought {
	JB_BROUGHT,	    /* it was taken */
	JB_BROUGHT_TROUBLE, /* the receiver is away or out of order */
	JB_BROUGHT_REFUSED, /* it took none of this message: another may go through */
};

struct jb_brought_result {
	enum jb_brought how;
	char why[256];	  /* a phrase for people, clean; what came back */
	long retry_after; /* seconds that the receiver asked for; 0: none */
};
typedef void (*jb_brought_fn)(void *arg, const struct jb_brought_result *result);

/* `channel` as in struct jb_notice; conf must outlive it. NULL: not in this configuration (a sentence in why). */
struct jb_courier *jb_courier_new(struct event_base *base, const struct jb_conf *conf, const char *channel, char *why,
				  size_t why_size);
/* Drops what is under way without a word. NULL is fine. */
void jb_courier_free(struct jb_courier *courier);

/*
 * The notice must stay as it is until `done`, or until the courier is freed. `done` comes once, from the loop; NULL
 * with *ret filled: it will not.
 */
struct jb_sending *jb_courier_send(struct jb_courier *courier, const struct jb_notice *notice, int64_t now,
				   jb_brought_fn done, void *arg, struct jb_brought_result *ret);

/*
 * For a program's start: is the secret there that messages want, and is it one? It is fetched first where it lies
 * elsewhere (keeper.h), on the loop, until that instant of jit_boottime_ms. JB_BROUGHT: yes; JB_BROUGHT_TROUBLE: a
 * passing trouble keeps from finding out; JB_BROUGHT_REFUSED: no. Both with a sentence in why.
 */
enum jb_brought jb_courier_try_secret(struct jb_courier *courier, int64_t until_ms, char *why, size_t why_size);

#endif
