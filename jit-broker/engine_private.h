/* What the files of the engine share: its state, and the one way in which a request is read, judged and written. */
#ifndef JB_ENGINE_PRIVATE_H
#define JB_ENGINE_PRIVATE_H

#include "engine.h"
#include "policy.h"

#define JB_TEXT_SIZE 512 /* of a comment or reason, NUL included */

struct jb_collect;

/* How far the live grants have been judged by the present configuration (engine_judge.c). */
struct jb_judging {
	size_t left;	       /* states that are not through */
	struct jb_place place; /* in the first of them: behind the last one that was judged */
};

struct jb_engine {
	const struct jb_conf *conf;
	struct jb_store *store;
	struct jb_issuer *issuer;
	jb_changed changed;
	void *changed_arg;
	jb_owed owed;
	void *owed_arg;
	void *hosts;   /* tsearch(3) tree: when each host was heard of last (engine_timer.c) */
	int64_t awake; /* since when it hears whoever speaks; 0: since it started */
	struct jb_judging judging;
	struct jb_collect *collects; /* waiting for the issuer (engine_collect.c) */
};

/* How one attempt at a change went. */
enum jb_step {
	JB_STEP_DONE,
	JB_STEP_REFUSED, /* the fault says why */
	JB_STEP_AGAIN,	 /* somebody else changed the record meanwhile: read it again and judge anew */
};

/* One change: to which state (or the same), and its audit record. */
struct jb_change {
	enum jb_status to;
	const char *action, *actor;
	char *detail;  /* from jb_engine_detail; the commit frees it */
	bool announce; /* does the host have to be told? */
};

/* Fills the fault; -1 for the caller's return. */
__attribute__((format(printf, 4, 5))) int jb_engine_fault(struct jb_fault *fault, int http, const char *code,
							  const char *format, ...);
/* No such request, or none that the caller may know of: the same words. */
int jb_engine_unknown(const char *id, struct jb_fault *fault);
int jb_engine_store_fault(struct jb_engine *engine, struct jb_fault *fault);

/* An audit record's detail: texts by name, NULL ones left out. JB_DETAIL({"why", why}, {"rule", rule}) */
struct jb_pair {
	const char *name, *text;
};
#define JB_DETAIL(...) jb_engine_detail((const struct jb_pair[]){__VA_ARGS__, {NULL, NULL}})
#define JB_NO_DETAIL   JB_DETAIL({"", NULL})
/* A JSON object of the pairs up to one without a name. NULL: out of memory. The caller frees. */
char *jb_engine_detail(const struct jb_pair *pairs);

/* Replaces a text of a request by a copy, byte for byte. False: out of memory. */
bool jb_engine_replace(char **at, const char *text);
/* Replaces a text of a request by a clean copy of at most JB_TEXT_SIZE - 1 bytes; NULL empties it. False: no memory. */
bool jb_engine_set_text(char **at, const char *text);

/* Writes request (already changed in its other fields) with its new state; on anything but DONE drop it and read anew.
 */
enum jb_step jb_engine_commit(struct jb_engine *engine, struct jb_request *request, const struct jb_change *change,
			      int64_t now, struct jb_fault *fault);

/* After the write: tells of what the workflow is owed. */
void jb_engine_tell_owed(const struct jb_engine *engine, const struct jb_notices *notices);

/* Ends what is over by the clock, whether the timer came by or not. */
enum jb_step jb_engine_settle(struct jb_engine *engine, struct jb_request *request, int64_t now,
			      struct jb_fault *fault);

/*
 * Reads a request (host: it must be that host's, else 404; NULL: anybody's),
 * settles it and tries `step` on it until it is not AGAIN.
 */
typedef enum jb_step (*jb_step_fn)(struct jb_engine *engine, struct jb_request *request, void *arg, int64_t now,
				   struct jb_fault *fault);
int jb_engine_try(struct jb_engine *engine, const char *host, const char *id, jb_step_fn step, void *arg, int64_t now,
		  struct jb_request **ret, struct jb_fault *fault);

/* The fault that belongs to a grant that is not live (PENDING, or over); DONE where it is live. */
enum jb_step jb_engine_live(const struct jb_request *request, struct jb_fault *fault);
/* Only the host that it is good on uses a grant; who filed it for another sees, withdraws and ends it. */
enum jb_step jb_engine_usable_from(const struct jb_request *request, const char *host, struct jb_fault *fault);
/* Policy once more, at the moment of use; a no ends the grant as REVOKED. */
enum jb_step jb_engine_recheck(struct jb_engine *engine, struct jb_request *request, int64_t now,
			       struct jb_fault *fault);
/* Ends a live grant as REVOKED, by the policy that has decided so. */
enum jb_step jb_engine_end_by_policy(struct jb_engine *engine, struct jb_request *request, const struct jb_decision *d,
				     int64_t now, struct jb_fault *fault);
/* Starts the grant's clock in the record, without writing it. */
void jb_engine_start_clock(struct jb_engine *engine, struct jb_request *request, int64_t now);
/* Where the rule that decided stands: "/etc/jit-broker/jit-broker.conf:17". */
#define JB_LINE_SIZE 512
void jb_engine_line(const struct jb_engine *engine, const struct jb_decision *d, char buf[static JB_LINE_SIZE]);
/* The actor of what a host does. */
void jb_engine_host_actor(const char *host, char *buf, size_t size);

/* From here on every live grant is judged once more, by jb_engine_judge_some at each tick. */
void jb_engine_judge_anew(struct jb_engine *engine);
/* Judges some that have not been; 1: there are more. 0: none, or -EIO. */
int jb_engine_judge_some(struct jb_engine *engine, int64_t now);

int jb_engine_hosts_load(struct jb_engine *engine, int64_t now);
void jb_engine_hosts_free(struct jb_engine *engine);
void jb_engine_collects_free(struct jb_engine *engine);

#endif
