/*
 * One access request: the record that the store keeps, the states it passes
 * through, and its two JSON forms (the store's, complete; the wire's, for a
 * host or for an approver). No I/O.
 */
#ifndef JB_REQUEST_H
#define JB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum jb_status {
	JB_PENDING,
	JB_APPROVED, /* decided, clock not started */
	JB_ACTIVE,
	/* final: */
	JB_DENIED,
	JB_EXPIRED,
	JB_CANCELLED,
	JB_ENDED,
	JB_REVOKED,
	JB_FAILED,
};

const char *jb_status_name(enum jb_status status); /* "PENDING" */
bool jb_status_parse(const char *name, enum jb_status *ret);
bool jb_status_final(enum jb_status status);
/* The table of broker-api.md: may a request go from one state to the other? */
bool jb_status_may(enum jb_status from, enum jb_status to);

/* Every char * is owned by the request; NULL where unknown. Times: seconds since the epoch, 0 where not set. */
struct jb_request {
	char id[37];	   /* uuid4 */
	char short_id[10]; /* "R7KD-2M9Q": Crockford base32 of its first 40 bits */
	uint64_t version;  /* 1 at filing, +1 a transition */
	uint64_t changed;  /* cursor of GET /changes; 0 until something happened that the host did not do by filing */
	enum jb_status status;
	/* who asks, from where: facts from kernel and PAM, forwarded by the host whose key was used */
	char *host;	/* where the grant is good */
	char *filed_by; /* the host whose key filed it, where that is another (may_request_for); else NULL */
	char *requester;
	char *person;	  /* the requester's person where one is declared, else NULL */
	char *login_user; /* who logged in, from the audit loginuid */
	char *role;
	char *role_arn;
	char *service;
	char *target;
	char *tty;
	char *rhost;
	char *command;
	char *cwd;
	char *session;
	char *reason;
	char *ticket;
	char *public_key; /* JWK text; NULL: a plain caller, who gets clear credentials */
	bool simulate;
	bool resume;	  /* outlives its poller */
	int64_t duration; /* seconds, within the role's maximum */
	char code[3];	  /* two digits; "" where the role wants none */
	int64_t wrong_codes;
	char *idempotency_key;
	char *body_hash; /* hex SHA-256 of the body that came with that key */
	/* what an approval gives: copied from the role when it is filed, shown to the approver, enforced by the host */
	char *services; /* words */
	char *targets;	/* words */
	char *scope;	/* "session", "user" */
	char *region;
	char *on_expiry; /* "warn", "end" */
	int64_t approvals_needed;
	char *approved_by; /* persons so far, words */
	char *decided_by;  /* persons (words, more than one with a quorum), "policy", "timer" or "host:web-1" */
	char *ended_by;	   /* who withdrew, gave back or revoked it: like decided_by */
	char *comment;	   /* of the last decision: approval, denial, revocation */
	char *failure;	   /* why it is FAILED, in a sentence */
	int64_t requested_at;
	int64_t pending_until;
	int64_t decided_at;
	int64_t use_until; /* an APPROVED request nobody uses expires then */
	int64_t started_at;
	int64_t granted_until;
	int64_t ended_at;
	int64_t expires_at;	/* retention: the store may forget it then; always after granted_until */
	char *grant_token_hash; /* hex SHA-256; NULL until the first collection */
	char *sealed;		/* the last compact JWE */
	char *task_token;	/* of the workflow's step that waits for this request; NULL: none does */
	char *task_step;	/* which: "await-decision", "await-collection"; "through" once the workflow is */
	int64_t sealed_until;	/* when the last credential issued under this grant ends; kept after the grant's end */
};

struct jb_request *jb_request_new(void);	  /* zeroed; NULL: out of memory */
void jb_request_free(struct jb_request *request); /* wipes; NULL is fine */
struct jb_request *jb_request_copy(const struct jb_request *request);

/* The store's form: every field. NULL: out of memory, or not such a document. */
struct json_object *jb_request_to_json(const struct jb_request *request);
struct jb_request *jb_request_from_json(struct json_object *json);

/* The wire's forms (docs/broker-api.md, "The request"). `now` gives `remaining`. For a host: with code and sealed
 * credentials. For an approver: without both, but with `grants`, the sentence that says what is really granted. */
struct json_object *jb_request_for_host(const struct jb_request *request, int64_t now);
struct json_object *jb_request_for_approver(const struct jb_request *request, int64_t now);

/* "any command that sudo, su allow, as root on web-1, for 15 min": the truth about an approval (invariant 14). */
void jb_request_grants(const struct jb_request *request, char *buf, size_t size);

/* Has this person approved it already? */
bool jb_request_approved_by(const struct jb_request *request, const char *person);

/*
 * The id of what was filed from there with that Idempotency-Key: always the same, so
 * that the id alone keeps it from being filed twice. 0, -ENOMEM, -EIO.
 */
int jb_request_id_of_key(const char *filer, const char *key, char id[static 37], char short_id[static 10]);

/* True when `text` is a uuid or a short id ("R7KD-2M9Q", "r7kd2m9q"); the short form's letters are normalised into buf.
 */
bool jb_request_parse_id(const char *text, char buf[static 37], bool *ret_short);

#endif
