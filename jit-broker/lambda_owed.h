/*
 * What a call has left in the outbox for the workflow, brought before the call is
 * answered: afterwards the instance sleeps. It stays in the outbox, from which the
 * sweep brings it once more: Step Functions takes neither message twice, and a
 * function that files or decides needs no right to the outbox.
 */
#ifndef JB_LAMBDA_OWED_H
#define JB_LAMBDA_OWED_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct jb_conf;
struct jb_engine;
struct jb_lambda_owed;

/* Listens to the engine. NULL with a sentence in why. */
struct jb_lambda_owed *jb_lambda_owed_new(struct event_base *base, const struct jb_conf *conf, struct jb_engine *engine,
					  char *why, size_t why_size);
void jb_lambda_owed_free(struct jb_lambda_owed *owed); /* NULL is fine */

/* Waits until all is brought, or that instant of jit_boottime_ms comes; never for long. NULL is fine. */
void jb_lambda_owed_bring(struct jb_lambda_owed *owed, int64_t until_ms);

#endif
