/* See issuer.h: which issuer a configuration asks for. */
#include "issuer.h"

#include <stdio.h>
#include <string.h>

#include "issuer_kinds.h"

struct jb_issuer *jb_issuer_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size)
{
	return conf->issue_function || conf->issue_workflow ? jb_issuer_function_new(base, conf, why, why_size)
							    : jb_issuer_own_new(base, conf, why, why_size);
}

struct jb_issuer *jb_issuer_own_new(struct event_base *base, const struct jb_conf *conf, char *why, size_t why_size)
{
	struct jb_issuer *issuer = NULL;

	snprintf(why, why_size, "issuer = %s: give 'sts:https://…' or 'demo'", conf->issuer);
	if (strcmp(conf->issuer, "demo") == 0) {
		snprintf(why, why_size, "out of memory");
		issuer = jb_issuer_demo_new(base);
	} else if (strncmp(conf->issuer, "sts:", 4) == 0) {
		issuer = jb_issuer_sts_new(base, conf, conf->issuer + 4, why, why_size);
	}
	return issuer;
}

bool jb_issuer_accepts_requester(const char *requester)
{
	size_t len = strlen(requester);

	for (const char *c = requester; *c; c++) {
		bool alnum = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
		if (!alnum && !strchr("_+=,.@-", *c))
			return false;
	}
	return len >= 2 && len <= 64;
}
