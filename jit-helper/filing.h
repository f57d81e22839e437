/* The body of POST /request-access (docs/broker-api.md, "Filing"), and the names in it. */
#ifndef JH_FILING_H
#define JH_FILING_H

#include "question.h"
#include "session.h"

#define JH_IDEMPOTENCY_SIZE 44 /* 32 random bytes as base64url */

/* A new Idempotency-Key. 0 or -EIO. */
int jh_idempotency_new(char buf[static JH_IDEMPOTENCY_SIZE]);

struct jh_filing {
	const struct jh_question *question;
	const struct jh_session *session;
	const char *login_user; /* NULL: nobody is known to have logged in */
	const char *jwk;
	const char *for_host; /* "": this one */
	bool resume;
};

/* The body, which the caller frees. NULL: out of memory. */
char *jh_filing_body(const struct jh_filing *filing);

/* The name of an audit login uid, or "#UID" for one without a name; false where nobody logged in. */
bool jh_login_name(uint32_t login_uid, char *buf, size_t size);

#endif
