/*
 * The workflow: every transition of a request, decided by the policy and
 * committed with its audit record in one write. Callers are the HTTP handlers
 * and a timer; it knows neither sockets nor HTTP beyond the status that belongs
 * to a fault.
 */
#ifndef JB_ENGINE_H
#define JB_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "issuer.h"
#include "notice.h"
#include "request.h"
#include "store.h"

#define JB_WRONG_CODES_MAX 3 /* the last of them ends a request */

struct jb_engine;

/* Why a call was refused. */
struct jb_fault {
	int http;	   /* 400, 403, 404, 409, 422, 429, 502, 503 */
	char code[48];	   /* stable: "policy.requester", "approval.own_request" */
	char message[512]; /* one sentence for a person */
};

/* What POST /request-access said. Strings are the caller's; NULL where absent. */
struct jb_filing {
	const char *requester, *role, *role_arn;
	int64_t duration; /* seconds, > 0 */
	bool simulate;
	const char *public_key; /* JWK text */
	const char *login_user, *service, *tty, *rhost, *target, *command, *cwd, *session, *reason, *ticket;
	const char *for_host; /* the host it is for, where it is not the key's own (may_request_for) */
	bool resume;
	const char *idempotency_key;
	const char *body_hash; /* hex SHA-256 of the raw body */
};

/* Told after each committed transition (of filings only those for another host): wakes whoever waits. */
typedef void (*jb_changed)(void *arg, const struct jb_request *request);

/* The clock is a parameter of every call (`now`, epoch seconds), so that tests can turn it. */
struct jb_engine *jb_engine_new(const struct jb_conf *conf, struct jb_store *store, struct jb_issuer *issuer,
				int64_t now);
/* Collections under way are dropped without a word: free the issuer first, it may still call back. */
void jb_engine_free(struct jb_engine *engine);
/* From here on this configuration judges, at the next ticks every live grant too; it must outlive the engine, or the
 * next one. */
void jb_engine_set_conf(struct jb_engine *engine, const struct jb_conf *conf);
void jb_engine_on_change(struct jb_engine *engine, jb_changed changed, void *arg);
/* Told of each message to the workflow that has been committed into the outbox, for whoever wants to be quicker. */
typedef void (*jb_owed)(void *arg, const struct jb_notice *notice);
void jb_engine_on_owed(struct jb_engine *engine, jb_owed owed, void *arg);

/*
 * All of these: 0 and, where there is one, a request that the caller frees; or
 * -1 with *fault filled and nothing changed.
 */

/* Host side: `host` is the name that belongs to the API key. *ret_replayed: the same key and body had been filed
 * before. */
int jb_engine_file(struct jb_engine *engine, const char *host, const struct jb_filing *filing, int64_t now,
		   struct jb_request **ret, bool *ret_replayed, struct jb_fault *fault);
int jb_engine_get(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		  struct jb_fault *fault);
int jb_engine_start(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		    struct jb_fault *fault);
int jb_engine_cancel(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		     struct jb_fault *fault);
int jb_engine_end(struct jb_engine *engine, const char *host, const char *id, int64_t now, struct jb_request **ret,
		  struct jb_fault *fault);

/*
 * Fresh credentials for a live grant: policy again, clock started if it was not,
 * STS, sealed to public_key and stored. `bearer` is the grant token or NULL.
 * `done` comes exactly once, possibly from within this call; request and
 * credentials are gone after it. credentials are clear and only there for a
 * request without public key; else request->sealed carries them.
 */
struct jb_collected {
	const struct jb_request *request;	  /* NULL when refused */
	const struct jb_credentials *credentials; /* see above */
	const struct jb_fault *fault;		  /* NULL when it went well */
};
typedef void (*jb_collected_fn)(void *arg, const struct jb_collected *collected);
void jb_engine_collect(struct jb_engine *engine, const char *host, const char *id, const char *public_key,
		       const char *bearer, int64_t now, jb_collected_fn done, void *arg);

/* Is credentials' issuer being asked for somebody? */
bool jb_engine_collecting(const struct jb_engine *engine);

/* The host was heard of (any authenticated call): its requests without `resume` stay alive 30 s from here. */
void jb_engine_heard(struct jb_engine *engine, const char *host, int64_t now);

/* The process was held up (stopped, suspended, its clock set): no host is silent for longer than from here. */
void jb_engine_awake(struct jb_engine *engine, int64_t now);

/*
 * For a process that hears of no host itself and looks after all of them: when each
 * of those that wait was heard of last, by the store's word. 0 or -EIO.
 */
int jb_engine_ask_of_hosts(struct jb_engine *engine, int64_t now);

/*
 * GET /changes. `after` < 0: the host's open requests. Else what changed after
 * that cursor, oldest first, at most 100. *ret is an array of *ret_count
 * requests (free each, then the array); *ret_next the cursor to ask with next.
 */
int jb_engine_changes(struct jb_engine *engine, const char *host, int64_t after, struct jb_request ***ret,
		      size_t *ret_count, int64_t *ret_next, struct jb_fault *fault);

/* Approver side: `person` is the name of a [person] section, proved by a token. */
/* One request, for an approver of its role and for its own requester; 404 for everybody else. */
int jb_engine_view(struct jb_engine *engine, const char *person, const char *id, int64_t now, struct jb_request **ret,
		   struct jb_fault *fault);
/* status: a name ("PENDING"), NULL is PENDING. PENDING ones are those that this person may decide; others those of
 * roles that this person approves. At most 100, newest first. */
int jb_engine_list(struct jb_engine *engine, const char *person, const char *status, int64_t now,
		   struct jb_request ***ret, size_t *ret_count, struct jb_fault *fault);
/* A place in the list of all requests, newest first: after this one. */
struct jb_place {
	int64_t at; /* 0: the beginning */
	char id[37];
};
/*
 * Those that this person may see, newest first, at most `limit`: of that status (as above; NULL: of all), with that
 * text in what is shown of them (NULL: whatever), from `place` on. *place is then where the next ones begin, its `at` 0
 * where there are no more; there may be fewer than `limit`, and more behind them.
 */
int jb_engine_search(struct jb_engine *engine, const char *person, const char *status, const char *text, size_t limit,
		     struct jb_place *place, struct jb_request ***ret, size_t *ret_count, struct jb_fault *fault);
int jb_engine_approve(struct jb_engine *engine, const char *person, const char *id, const char *code,
		      const char *comment, int64_t now, struct jb_request **ret, struct jb_fault *fault);
int jb_engine_deny(struct jb_engine *engine, const char *person, const char *id, const char *comment, int64_t now,
		   struct jb_request **ret, struct jb_fault *fault);
int jb_engine_revoke(struct jb_engine *engine, const char *person, const char *id, const char *comment, int64_t now,
		     struct jb_request **ret, struct jb_fault *fault);

/* The workflow's side (docs/aws.md). These know every request. */
/* The step waits for the request with that task token: it is answered once the request is past it, at once where it is.
 */
int jb_engine_await(struct jb_engine *engine, const char *id, const char *step, const char *token, int64_t now,
		    struct jb_request **ret, struct jb_fault *fault);
/* What is, after what is over by the clock has been ended. */
int jb_engine_read(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		   struct jb_fault *fault);
/* Notes that the workflow is through; changes no state. */
int jb_engine_through(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		      struct jb_fault *fault);
/* The instant return waits for nobody: what is PENDING is DENIED, by the policy. */
int jb_engine_deny_instant(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
			   struct jb_fault *fault);
/*
 * For a caller who files without a key and cannot wait: a PENDING request is handed to the instant return, which ends
 * in the step above. False: there is no such thing here, or no memory. `done` comes once, from the loop, and says
 * nothing of the request: read it again.
 */
bool jb_engine_settle_instant(struct jb_engine *engine, const struct jb_request *request, int64_t now, jb_issued done,
			      void *arg);
/* Judged once more by whoever issues: live, and by the policy. The copy's clock runs, as its collection will write it.
 */
int jb_engine_to_issue(struct jb_engine *engine, const char *id, int64_t now, struct jb_request **ret,
		       struct jb_fault *fault);
/* How many seconds are left to decide, to use it once it is approved; 1 at least. */
int64_t jb_engine_pending_seconds(const struct jb_request *request, int64_t now);
int64_t jb_engine_use_seconds(const struct jb_engine *engine, const struct jb_request *request, int64_t now);

/* Ends every open request and grant, as whoever runs the broker: what a restored store remembers counts no more. 0
 * and how many, or -1 with the fault. */
int jb_engine_end_all(struct jb_engine *engine, int64_t now, size_t *ret_count, struct jb_fault *fault);

/*
 * Expires what is due (decision deadline, use_within, grant end, silent hosts,
 * retention), revokes what the policy no longer gives since its configuration is
 * another one or the broker was started, and returns the epoch second of the next thing due; INT64_MAX: nothing.
 */
int64_t jb_engine_tick(struct jb_engine *engine, int64_t now);

#endif
