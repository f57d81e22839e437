/* The issuers there are, for issuer.c alone. Contracts: jb_issuer_new. */
#ifndef JB_ISSUER_KINDS_H
#define JB_ISSUER_KINDS_H

#include "issuer.h"

struct jb_issuer *jb_issuer_sts_new(struct event_base *base, const struct jb_conf *conf, const char *endpoint,
				    char *why, size_t why_size);
struct jb_issuer *jb_issuer_demo_new(struct event_base *base);
struct jb_issuer *jb_issuer_function_new(struct event_base *base, const struct jb_conf *conf, char *why,
					 size_t why_size);

#endif
