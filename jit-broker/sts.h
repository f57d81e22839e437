/*
 * What is said to STS and what it says back: the AssumeRole form
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html) with
 * the session policy that ends access, and the XML answer. No I/O.
 */
#ifndef JB_STS_H
#define JB_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "issuer.h"
#include "request.h"

#define JB_STS_POLICY_MAX 2048 /* characters of a session policy that AWS takes */

/* When access ends: min(now + credential_lifetime, granted_until). Epoch seconds. */
int64_t jb_sts_end(const struct jb_request *request, const struct jb_role *role, int64_t now);

/*
 * The role's own session policy (default: allow all that the role may), then
 * "nothing from `end` on", then "no further role" unless the role allows
 * chaining. The caller frees *ret. 0; -EINVAL: the role's policy is none; -E2BIG; -ENOMEM.
 */
int jb_sts_policy(const struct jb_role *role, int64_t end, char **ret);

/* The form, application/x-www-form-urlencoded. Errors as jb_sts_policy. The caller frees *ret. */
int jb_sts_form(const struct jb_request *request, const struct jb_role *role, int64_t end, char **ret);

enum jb_sts_kind { JB_STS_CREDENTIALS, JB_STS_ERROR, JB_STS_MALFORMED };

struct jb_sts_answer {
	enum jb_sts_kind kind;
	struct jb_credentials credentials; /* expiration: STS's own */
	char code[64];			   /* JB_STS_ERROR: "AccessDenied" */
	char message[256];		   /* cleaned; may be "" */
};

/* Reads an answer, strictly: no document type, no field twice. The caller wipes `ret`. */
void jb_sts_parse(const char *body, size_t len, struct jb_sts_answer *ret);

/*
 * The sentence for a refusal, and whether another try may help: STS busy or out
 * of order, or something the broker's operator can mend meanwhile.
 */
void jb_sts_explain(const char *code, const char *message, long http_status, char *why, size_t why_size,
		    bool *ret_passing);

#endif
