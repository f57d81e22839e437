/* See sts.h: the half that is read. */
#include <expat.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sts.h"
#include "text.h"

#define PATH_MAX_BYTES 256
#define DEPTH_MAX      16

/* The parser copies what it reads, and that is a secret key: its memory is wiped too. */
static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *wiping_realloc(void *p, size_t size)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *grown = malloc(size);

	if (!grown)
		return NULL;
	if (p)
		memcpy(grown, p, old < size ? old : size);
	wiping_free(p);
	return grown;
}

struct field {
	const char *path;
	char *buf;
	size_t size;
	size_t len;
	bool seen;
};

enum { ACCESS_KEY, SECRET_KEY, TOKEN, EXPIRATION, CODE, BARE_CODE, MESSAGE, BARE_MESSAGE, FIELD_COUNT };

struct reader {
	XML_Parser parser;
	char path[PATH_MAX_BYTES]; /* "AssumeRoleResponse/AssumeRoleResult/Credentials" */
	unsigned depth;
	struct field fields[FIELD_COUNT];
	struct field *open; /* the field whose text is being read */
	bool bad;
};

static void fail(struct reader *r)
{
	r->bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *arg, const char *name, const char **attributes)
{
	struct reader *r = arg;
	size_t len = strlen(r->path);

	(void)attributes;
	if (r->open || ++r->depth > DEPTH_MAX || len + strlen(name) + 2 > sizeof(r->path)) {
		fail(r);
		return;
	}
	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len ? "/" : "", name);
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (strcmp(r->fields[i].path, r->path) != 0)
			continue;
		if (r->fields[i].seen)
			fail(r);
		r->fields[i].seen = true;
		r->open = &r->fields[i];
	}
}

static void on_end(void *arg, const char *name)
{
	struct reader *r = arg;
	char *slash = strrchr(r->path, '/');

	(void)name;
	r->depth--;
	r->open = NULL;
	*(slash ? slash : r->path) = '\0';
}

static void on_text(void *arg, const char *text, int len)
{
	struct reader *r = arg;
	struct field *f = r->open;

	if (!f)
		return;
	if ((size_t)len >= f->size - f->len) {
		fail(r);
		return;
	}
	memcpy(f->buf + f->len, text, (size_t)len);
	f->len += (size_t)len;
	f->buf[f->len] = '\0';
}

/* Entities are declared in a document type: without one there are none to expand. */
static void on_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int has_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	fail(arg);
}

static bool parse(struct reader *r, const char *body, size_t len)
{
	static const XML_Memory_Handling_Suite memory = {malloc, wiping_realloc, wiping_free};

	r->parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
	if (!r->parser)
		return false;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	bool ok = len <= INT32_MAX && XML_Parse(r->parser, body, (int)len, XML_TRUE) == XML_STATUS_OK && !r->bad;
	XML_ParserFree(r->parser);
	return ok;
}

/* Credentials end up in JSON and in environment files: nothing but visible ASCII without quotes belongs in them. */
static bool is_plain(const char *s)
{
	for (const char *c = s; *c; c++)
		if (*c <= 0x20 || *c > 0x7e || *c == '"' || *c == '\\')
			return false;
	return *s != '\0';
}

static bool has_credentials(const struct jb_credentials *c)
{
	return is_plain(c->access_key_id) && is_plain(c->secret_access_key) && is_plain(c->session_token);
}

void jb_sts_parse(const char *body, size_t len, struct jb_sts_answer *ret)
{
#define RESULT "AssumeRoleResponse/AssumeRoleResult/Credentials/"
#define FIELD(where, array)                                                                                            \
	{                                                                                                              \
		.path = (where), .buf = (array), .size = sizeof(array)                                                 \
	}
	char expiration[64] = "", code[2][64] = {"", ""}, message[2][1024] = {"", ""};
	struct jb_credentials *c = &ret->credentials;
	struct reader r = {.fields = {
				   [ACCESS_KEY] = FIELD(RESULT "AccessKeyId", c->access_key_id),
				   [SECRET_KEY] = FIELD(RESULT "SecretAccessKey", c->secret_access_key),
				   [TOKEN] = FIELD(RESULT "SessionToken", c->session_token),
				   [EXPIRATION] = FIELD(RESULT "Expiration", expiration),
				   [CODE] = FIELD("ErrorResponse/Error/Code", code[0]),
				   [BARE_CODE] = FIELD("Error/Code", code[1]),
				   [MESSAGE] = FIELD("ErrorResponse/Error/Message", message[0]),
				   [BARE_MESSAGE] = FIELD("Error/Message", message[1]),
			   }};
#undef FIELD
#undef RESULT

	*ret = (struct jb_sts_answer){.kind = JB_STS_MALFORMED};
	if (!parse(&r, body, len))
		return;
	if (has_credentials(c) && jit_iso_parse(expiration, &c->expiration) == 0) {
		ret->kind = JB_STS_CREDENTIALS;
	} else if (*code[0] || *code[1]) {
		ret->kind = JB_STS_ERROR;
		jit_text_clean_str(ret->code, sizeof(ret->code), *code[0] ? code[0] : code[1]);
		jit_text_clean_str(ret->message, sizeof(ret->message), *message[0] ? message[0] : message[1]);
	}
}

static bool is_one_of(const char *code, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

void jb_sts_explain(const char *code, const char *message, long http_status, char *why, size_t why_size,
		    bool *ret_passing)
{
	static const char *const busy[] = {"Throttling",
					   "ThrottlingException",
					   "RequestLimitExceeded",
					   "ServiceUnavailable",
					   "InternalFailure",
					   "InternalError",
					   "RequestTimeout",
					   "SlowDown",
					   NULL};
	static const char *const clock_or_key[] = {"SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired",
						   NULL};
	static const char *const key[] = {"ExpiredToken",
					  "ExpiredTokenException",
					  "InvalidClientTokenId",
					  "InvalidAccessKeyId",
					  "AuthFailure",
					  "UnrecognizedClientException",
					  NULL};
	const char *open = *message ? ": " : "";

	*ret_passing = true;
	if (is_one_of(code, clock_or_key)) {
		snprintf(why, why_size,
			 "STS does not accept the broker's signature (%s%s%s): check the broker's clock and its AWS "
			 "secret key.",
			 code, open, message);
	} else if (is_one_of(code, key)) {
		snprintf(why, why_size, "STS does not accept the broker's own AWS credentials (%s%s%s): renew them.",
			 code, open, message);
	} else if (http_status >= 500 || http_status == 429 || is_one_of(code, busy)) {
		snprintf(why, why_size, "STS cannot answer now (%s%s%s).", code, open, message);
	} else {
		*ret_passing = false;
		snprintf(why, why_size, "STS refused the role (%s%s%s).", code, open, message);
	}
}
