/*
 * Where a secret of the notifier comes from: what a webhook's messages are signed
 * with, or user and password of the mail server. Either a file, read afresh each
 * time, or a parameter of SSM ("ssm:NAME", below ssm_path), fetched on the loop and
 * kept for some minutes, in OpenSSL's secure heap where the program has made one.
 */
#ifndef JB_KEEPER_H
#define JB_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

struct event_base;
struct jb_keeper;

#define JB_KEEPER_MAX	  512		   /* bytes of a secret */
#define JB_KEEPER_GOOD_MS (5 * 60 * 1000)  /* then a parameter is fetched again: so long its predecessor is used */
#define JB_KEEPER_KEPT_MS (60 * 60 * 1000) /* and for so long while SSM cannot be asked */

/* `from` as the configuration has it; conf must outlive it. NULL with a sentence in why. */
struct jb_keeper *jb_keeper_new(struct event_base *base, const struct jb_conf *conf, const char *from, char *why,
				size_t why_size);
/* What is under way is dropped without a word. NULL is fine. */
void jb_keeper_free(struct jb_keeper *keeper);

/* What messages name it by: the file's path, or the parameter's whole name. */
const char *jb_keeper_name(const struct jb_keeper *keeper);

/* Has it to be fetched before it is used? now_ms, here and below: by jit_boottime_ms. */
bool jb_keeper_is_due(const struct jb_keeper *keeper, int64_t now_ms);
/*
 * Fetches what is due, once for all who ask meanwhile. `done` is called once, later, from the loop, unless the call is
 * cancelled first. NULL: it is not. In either case jb_keeper_text then has the secret, or why there is none.
 */
struct jb_keeper_call;
struct jb_keeper_call *jb_keeper_fetch(struct jb_keeper *keeper, void (*done)(void *arg), void *arg);
void jb_keeper_cancel(struct jb_keeper_call *call); /* NULL is fine */

/*
 * The secret as it is now, until the next call or the next fetch. NULL with a sentence in why. A parameter that SSM
 * cannot be asked about counts on for an hour; one that is gone, or may not be read any more, counts no longer.
 */
const char *jb_keeper_text(struct jb_keeper *keeper, int64_t now_ms, char *why, size_t why_size);
/* Is what it lacks a passing trouble of the other side, and not the configuration's or the parameter's? */
bool jb_keeper_is_passing(const struct jb_keeper *keeper);

/* Of `from`, without asking anybody: is it well named, and can the file be read? False with a sentence in why. */
bool jb_keeper_check(const struct jb_conf *conf, const char *from, bool (*is_good)(const char *, char *, size_t),
		     char *why, size_t why_size);

#endif
