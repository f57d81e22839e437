/*
 * Empties the outbox: brings what is in it to its receivers, tries again what
 * failed, for as long as the configuration says, and gives up loudly. Each
 * channel has its own pace and its own connections: one that is away costs the
 * others nothing, and the broker no more than JB_NOTIFY_PARALLEL calls.
 */
#ifndef JB_NOTIFY_H
#define JB_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "store.h"

#define JB_NOTIFY_PARALLEL 4 /* calls at once to one channel */

struct event_base;
struct jb_notify;

/* Begins with what was left from before. `conf` and store must outlive it. NULL: out of memory. */
struct jb_notify *jb_notify_new(struct event_base *base, const struct jb_conf *conf, struct jb_store *store);
/* What is under way is dropped, and sent again by the next one. NULL is fine. */
void jb_notify_free(struct jb_notify *notify);
/* From here on by this configuration. What is under way is dropped, and sent again. */
void jb_notify_set_conf(struct jb_notify *notify, const struct jb_conf *conf);

/*
 * For a process that sleeps between calls and whose timers do not come by: runs the
 * loop until nothing of what is due is left, or until that instant of
 * jit_boottime_ms. What is under way then is told again by whoever comes next.
 */
void jb_notify_flush(struct jb_notify *notify, int64_t until_ms);

/*
 * For a function's start: are the secrets there that messages are signed with? Runs the loop until that instant of
 * jit_boottime_ms at most, and logs what is missing: that channel's messages wait, and nothing else does.
 */
void jb_notify_try_secrets(struct jb_notify *notify, int64_t until_ms);

enum jb_notify_kind { JB_NOTIFY_MAIL, JB_NOTIFY_WEBHOOK, JB_NOTIFY_WORKFLOW, JB_NOTIFY_KINDS };
/* Of a channel's name. */
enum jb_notify_kind jb_notify_kind(const char *channel);

enum jb_notify_outcome {
	JB_NOTIFY_DELIVERED,
	JB_NOTIFY_FAILED,   /* a try: the receiver was away or out of order */
	JB_NOTIFY_REFUSED,  /* a try: it did not take this message */
	JB_NOTIFY_GIVEN_UP, /* nobody will get it any more */
	JB_NOTIFY_OUTCOMES
};
/* How telling goes, since the start. */
struct jb_notify_stats {
	uint64_t count[JB_NOTIFY_KINDS][JB_NOTIFY_OUTCOMES];
	unsigned failing; /* channels whose last try failed */
};
void jb_notify_stats(const struct jb_notify *notify, struct jb_notify_stats *ret);

#endif
