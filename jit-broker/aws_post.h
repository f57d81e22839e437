/*
 * A POST to one of AWS's services on the loop, signed with the broker's own keys
 * (aws_keys.h), which are read at each call and wiped after it. libcurl signs
 * rightly what is plain: no query, no escapes in the path.
 */
#ifndef JB_AWS_POST_H
#define JB_AWS_POST_H

#include <stdbool.h>
#include <stddef.h>

#include "fetch.h"

struct jb_aws_post {
	const char *url;
	const char *region, *service; /* for the signature */
	const char *content_type;
	const char *target; /* X-Amz-Target; NULL: none */
	const char *body;
	long timeout_ms;
	size_t max_body; /* bytes of the answer */
	bool secret;	 /* as in struct jit_fetch_request */
};

/* `credentials` as jb_aws_keys_read takes them. NULL with a phrase in why: `done` is not called then. */
struct jit_fetch_call *jb_aws_post(struct jit_fetch *fetch, const char *credentials, const struct jb_aws_post *post,
				   jit_fetch_done done, void *arg, char *why, size_t why_size);

/* "https://host[:port]" and the path: the whole URL, which the caller frees. NULL: it is no such thing, or no memory.
 */
char *jb_aws_url(const char *endpoint, const char *path);

/* Where something of AWS's is: "arn:aws:states:eu-west-1:123456789012:stateMachine:name". */
struct jb_arn {
	char region[32];
	char name[81];
};
/* Of that service and kind ("lambda", "function"), without version or alias. */
bool jb_arn_parse(const char *arn, const char *service, const char *kind, struct jb_arn *ret);
/* Of a function, or its name alone, in that region. */
bool jb_arn_parse_function(const char *text, const char *region, struct jb_arn *ret);

#endif
