/*
 * What proves that a webhook's message, and the link in it, are this broker's:
 * HMAC-SHA256 with a secret that the receiver has too, in the form of Standard
 * Webhooks (https://www.standardwebhooks.com). No I/O.
 */
#ifndef JB_SIGN_H
#define JB_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JB_SIGN_KEYS	  2 /* the new one and the one before, while receivers change over */
#define JB_SIGN_KEY_MIN	  24
#define JB_SIGN_KEY_MAX	  64
#define JB_SIGNATURES_MAX (JB_SIGN_KEYS * sizeof("v1,0123456789012345678901234567890123456789012="))
#define JB_LINK_MAX	  512

struct jb_sign_keys {
	struct {
		uint8_t byte[JB_SIGN_KEY_MAX];
		size_t len;
	} key[JB_SIGN_KEYS];
	size_t count;
};

/*
 * "whsec_" and 24 to 64 bytes in base64, a line each, the newest first. False
 * with a sentence in why; the caller wipes *ret.
 */
bool jb_sign_keys_parse(const char *text, struct jb_sign_keys *ret, char *why, size_t why_size);

/* The header webhook-signature of that message: "v1,… v1,…", one for each key. 0 or -EIO. */
int jb_sign(const struct jb_sign_keys *keys, const char *id, int64_t timestamp, const char *body, size_t len,
	    char buf[static JB_SIGNATURES_MAX]);

/*
 * The page of that request: BASE/r/SHORTID. With keys it says through which
 * webhook it came, until when it is good, and a signature by the first key over
 * all before "&sig=": "?via=chat&until=1795449600&sig=…" (base64url). A link
 * leads somewhere and decides nothing. 0, -EIO, -ENAMETOOLONG.
 */
int jb_link(const char *base, const char *short_id, const struct jb_sign_keys *keys, const char *via, int64_t until,
	    char buf[static JB_LINK_MAX]);

#endif
