/*
 * What an approval gave: whom it covers, for what, until when; its key pair and,
 * once collected, its credentials. It belongs to one login session, or with
 * scope user to all of that user's that come from one place. The rules are
 * pure functions; the rest keeps the list and ends what is over.
 */
#ifndef JH_GRANT_H
#define JH_GRANT_H

#include <openssl/evp.h>

#include "alarm.h"
#include "answer.h"
#include "collect.h"
#include "question.h"
#include "seal.h"
#include "session.h"
#include "trace.h"
#include "warning.h"

#define JH_CLAIM_MS  60000	      /* between account and open_session of one login */
#define JH_UNUSED_MS (15 * 60 * 1000) /* the broker's use_within ends it earlier, if that can be heard */

struct jh_ending;
struct jh_helper;

struct jh_grant {
	LIST_ENTRY(jh_grant) link;
	struct jh_helper *helper;
	bool listed;
	char id[JIT_ID_SIZE];
	char short_id[JH_SHORT_SIZE];
	char requester[JIT_NAME_SIZE];
	char role[JIT_NAME_SIZE];
	char approved_by[JIT_NAME_SIZE];
	char services[JH_WORDS_SIZE];
	char targets[JH_WORDS_SIZE];
	char region[64];
	bool has_arn;
	bool local;	  /* break-glass, or demo: no broker knows of it */
	bool demo;	  /* of the reference deployment: approved by nobody, and over with this process */
	bool ends;	  /* on_expiry = end: what its elevations started is ended with it */
	bool unconfirmed; /* of a helper before this one; the broker has not said yet that it goes on */
	/* Whose it is: with .known that login session's; before a login has opened its own, that place's and uid's. */
	struct jh_session session;
	bool of_user;		   /* scope user: of every login session of that uid from that place */
	bool open;		   /* filed by another host: of whoever of that name uses it first, and then theirs */
	bool ahead;		   /* asked for before it was needed: also for services without a person */
	int64_t claimed_until_ms;  /* a login was let in under it, and has that long to open its session */
	int leader_fd;		   /* pidfd whose end ends the login session; -1 until it is known */
	struct event *leader_gone; /* set from when it is known, so that it cannot fail later */
	bool leader_over;	   /* it ended before the grant was listed */
	bool active;		   /* its clock runs */
	int64_t duration_s;	   /* what the approval gives */
	int64_t until_ms;	   /* boottime: end of the grant; while not active, when it is forgotten unused */
	struct jh_alarm end;
	EVP_PKEY *key; /* made for this request */
	struct jh_collector collector;
	struct jh_warning warning;
	struct jh_traces traces;  /* of all its elevations, those that are over too */
	struct jh_ending *ending; /* kept for its end where .ends, which could not have it for want of memory */
};

/* Rules, without side effects. */

/* A live grant that is that login session's, for that requester, service and role? */
bool jh_grant_covers(const struct jh_grant *grant, const struct jh_question *question, const struct jh_session *session,
		     int64_t now_ms);
/* Is it for what was asked: requester, service, role and, where it is known, target? Asked of every approval. */
bool jh_grant_answers(const struct jh_grant *grant, const struct jh_question *question, int64_t now_ms);
/* Is it held by that login session, for status and end? */
bool jh_grant_is_of(const struct jh_grant *grant, const struct jh_session *session);
/* One that belongs to nobody yet, and that this login, or this session, may take for itself? */
bool jh_grant_claimable(const struct jh_grant *grant, const struct jh_question *question,
			const struct jh_session *session, int64_t now_ms);
/* One that a login was let in under in account, and that its session is opened under now? */
bool jh_grant_may_bind(const struct jh_grant *grant, const struct jh_question *question,
		       const struct jh_session *session, int64_t now_ms);
/* May the session be opened as `target`? */
bool jh_grant_reaches(const struct jh_grant *grant, const char *target);
/* Its clock starts now. */
void jh_grant_clock_start(struct jh_grant *grant, int64_t now_ms);
/* The broker says how much is left: the earlier end wins. */
void jh_grant_clock_shorten(struct jh_grant *grant, int64_t remaining_s, int64_t now_ms);
/* Seconds left of the grant; while its clock stands, all of it. */
uint32_t jh_grant_left_s(const struct jh_grant *grant, int64_t now_ms);

/* The living ones. */

/* From an APPROVED or ACTIVE answer; takes the key over. Not in the list yet. NULL: out of memory. */
struct jh_grant *jh_grant_new(struct jh_helper *helper, const struct jh_answer *answer, EVP_PKEY *key);
/* Its login session, and the pidfd of that session's leader, which it takes over. 0 or -ENOMEM. */
int jh_grant_bind(struct jh_grant *grant, const struct jh_session *session, int leader_fd);
/* From here on it can be found, and its time runs out. Takes nothing that could be short. */
void jh_grant_list(struct jh_grant *grant);
/* Starts the clock if it stands. */
void jh_grant_use(struct jh_grant *grant);
/* One that a helper before this one had: its facts stand, all else is made anew. 0; -errno, and it is to be freed. */
int jh_grant_restore(struct jh_helper *helper, struct jh_grant *grant);
/* After that and once its elevations are there: the broker and the terminals are served again. */
void jh_grant_resume(struct jh_grant *grant);
/* After the clock was shortened. */
void jh_grant_rearm(struct jh_grant *grant);
/* Frees it without telling anybody: for one that was never listed. NULL is fine. */
void jh_grant_free(struct jh_grant *grant);

/* Ends the grant and its elevations; `why` ends the log's line. `tell`: the broker does not know yet. */
void jh_grant_end(struct jh_grant *grant, const char *why, bool tell);
/* A change at the broker. False when no grant has that id. */
bool jh_grant_changed(struct jh_helper *helper, const struct jh_answer *answer);

/* The broker has named all that is open: what was kept over a restart and is not among it has ended there. */
void jh_grants_end_unconfirmed(struct jh_helper *helper);

/* A login was let in: nobody else is, for a minute. */
void jh_grant_claim(struct jh_grant *grant, const struct jh_session *session);
/* It did not go on. */
void jh_grant_unclaim(struct jh_grant *grant);

struct jh_grant *jh_grant_by_id(struct jh_helper *helper, const char *id);
/* The first that this asker may claim; NULL when there is none. */
struct jh_grant *jh_grant_to_claim(struct jh_helper *helper, const struct jh_question *question,
				   const struct jh_session *session);
/* The live grant for a question; NULL when there is none. One that does not reach its target comes only if no other
 * does. */
struct jh_grant *jh_grant_find(struct jh_helper *helper, const struct jh_question *question,
			       const struct jh_session *session);

#endif
