/* What the ways share by which a role's credentials come (awsrole.h). */
#ifndef JIT_AWSROLE_PRIVATE_H
#define JIT_AWSROLE_PRIVATE_H

#include <stdint.h>

#include "awsrole.h"
#include "fetch.h"

struct jit_awsrole_way {
	const char *who;			 /* "the instance's metadata service" */
	void (*begin)(struct jit_awsrole *role); /* a round, which ends with jit_awsrole_on_credentials or _fail */
	bool has_code;				 /* its answer says "Success" */
};

struct jit_awsrole {
	struct event_base *base;
	const struct jit_awsrole_way *way;
	char *endpoint;	  /* scheme, host and port */
	char *path;	  /* of a container's */
	char *token_file; /* of a container's; NULL: none */
	char *token;	  /* the same; secure heap */
	struct jit_fetch *fetch;
	struct jit_fetch_call *call;
	struct event *due;
	char *header; /* secure heap; of the round under way, with its token; NULL: none */
	char *plain;  /* secure heap; what the keys lie in; NULL: there are none */
	size_t plain_len;
	struct jit_awsrole_keys keys;
	int64_t expires_ms, refresh_ms; /* boottime */
	unsigned failures;		/* in a row */
	char trouble[256];
};

/* NULL: out of memory. It begins with jit_awsrole_start. */
struct jit_awsrole *jit_awsrole_new(struct event_base *base, const struct jit_awsrole_way *way, const char *endpoint,
				    bool plain_loopback);
/* A round, if none is under way. */
void jit_awsrole_start(struct jit_awsrole *role);
/* One call of a round, with role->header where `header` is that. */
void jit_awsrole_ask(struct jit_awsrole *role, const char *method, const char *path, const char *header,
		     jit_fetch_done done);
/* True: an answer to go on with. False: the round has failed. */
bool jit_awsrole_judge(struct jit_awsrole *role, const struct jit_fetch_result *result, const char *what);
/* The round has failed; keys from before stay good until their end. */
__attribute__((format(printf, 2, 3))) void jit_awsrole_fail(struct jit_awsrole *role, const char *format, ...);
/* Takes the last answer of a round; `arg` is the role. */
void jit_awsrole_on_credentials(void *arg, const struct jit_fetch_result *result);
/* ASCII without blanks, one at least. */
bool jit_awsrole_is_visible(const char *text, size_t len);

#endif
