/*
 * One set of AWS credentials in OpenSSL's secure heap (locked, not dumped).
 * The broker's plaintext is read where it lies (flat.h).
 */
#ifndef JH_CREDS_H
#define JH_CREDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flat.h"
#include "frame.h"

struct jh_creds {
	char *plain; /* secure heap; NULL: there are none */
	size_t plain_len;
	struct jit_span access_key, secret_key, session_token, grant_token;
	int64_t expires_at; /* epoch seconds, by AWS' clock */
	int64_t taken_ms;   /* boottime: when they came */
	int64_t expires_ms; /* boottime: when they are of no more use; set by who knows the broker's clock */
	bool last;	    /* they end with the grant: others would not last longer; likewise */
};

/*
 * Reads {"AccessKeyId","SecretAccessKey","SessionToken","Expiration","grantToken"},
 * in this order, strings without escapes. On success *ret owns `plain`
 * (OPENSSL_secure_malloc, len + 1 bytes); else the caller keeps it. 0 or -EINVAL.
 */
int jh_creds_read(char *plain, size_t len, struct jh_creds *ret);
/* The same of what STS gives, {"AccessKeyId","SecretAccessKey","SessionToken","Expiration"} in any order: no grant
 * token. */
int jh_creds_read_clear(char *plain, size_t len, struct jh_creds *ret);
void jh_creds_clear(struct jh_creds *creds);

/* What credential_process prints, as the frame's JSON field. The frame must lie in the secure heap and be wiped. */
void jh_creds_put(const struct jh_creds *creds, struct jit_frame *frame);

#endif
