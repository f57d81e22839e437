/*
 * One parameter of AWS Systems Manager Parameter Store: what is asked for it and how
 * the answer is read. Its value is a secret: no JSON library reads it, since that
 * would leave copies behind that nobody wipes. No I/O.
 */
#ifndef JB_SSM_H
#define JB_SSM_H

#include <stdbool.h>
#include <stddef.h>

#define JB_SSM_TARGET	    "AmazonSSM.GetParameter"
#define JB_SSM_CONTENT_TYPE "application/x-amz-json-1.1"
#define JB_SSM_NAME_MAX	    1011 /* characters, SSM's own bound */

/* A path: "/jit-broker/notify". */
bool jb_ssm_is_path(const char *text);
/* A name below a path: "chat", "webhook/chat". */
bool jb_ssm_is_name(const char *text);

/* What GetParameter is asked, as JSON; the caller frees it. NULL: out of memory. `name` is made of the two above. */
char *jb_ssm_body(const char *name);

enum jb_ssm_kind {
	JB_SSM_VALUE,
	JB_SSM_MISSING, /* there is none of that name */
	JB_SSM_REFUSED, /* it will be the same next time: no permission, no SecureString, too long */
	JB_SSM_PASSING, /* SSM is in trouble, or asked too often */
};
/*
 * Reads an answer. JB_SSM_VALUE: *ret is the SecureString's value in OpenSSL's secure heap, freed with
 * OPENSSL_secure_clear_free; else a phrase in why, without a word of the value.
 */
enum jb_ssm_kind jb_ssm_read(long status, const char *body, size_t max, char **ret, char *why, size_t why_size);

#endif
