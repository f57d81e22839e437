/*
 * What the instance's metadata service and a container's endpoint answer, and what a container's environment says of
 * the latter. Keys come of nothing but a whole answer, fit for everywhere they go, and stay when a later round fails;
 * nobody is asked but who gives credentials. The first byte says which of the two, and of what the environment is made.
 */
#include <curl/curl.h>
#include <event2/event.h>

#include "awsrole_private.h"
#include "calls.h"
#include "text.h"

#define ROLES "http://169.254.169.254/latest/meta-data/iam/security-credentials/"

static struct event_base *base;

static void check_span(struct jit_span span, size_t max, const char *answer)
{
	FUZZ_CHECK(span.len > 0 && span.len <= max);
	for (size_t i = 0; i < span.len; i++)
		FUZZ_CHECK(span.at[i] > ' ' && span.at[i] < 0x7f && span.at[i] != '"' && span.at[i] != '\\');
	FUZZ_CHECK(memmem(answer, strlen(answer), span.at, span.len));
}

/* A whole answer of their like stands behind keys. */
static void check_keys(struct jit_awsrole *role, const struct jit_awsrole_keys *keys)
{
	const char *answer = role->plain;

	check_span(keys->access_key, 128, answer);
	check_span(keys->secret_key, 128, answer);
	check_span(keys->session_token, 8192, answer);
	FUZZ_CHECK(!memchr(keys->access_key.at, ':', keys->access_key.len));
	FUZZ_CHECK(strstr(answer, "\"Expiration\"") && (!role->way->has_code || strstr(answer, "\"Success\"")));
}

static void check_trouble(struct jit_awsrole *role)
{
	const char *trouble = jit_awsrole_trouble(role);
	char clean[512];

	jit_text_clean_str(clean, sizeof(clean), trouble);
	FUZZ_CHECK(trouble[0] && strcmp(trouble, clean) == 0);
}

static void check_imds_call(const struct fuzz_call *call)
{
	if (strcmp(call->url, "http://169.254.169.254/latest/api/token") == 0) {
		FUZZ_CHECK(strcmp(call->method, "PUT") == 0);
		return;
	}
	FUZZ_CHECK(strncmp(call->url, ROLES, strlen(ROLES)) == 0 && !strpbrk(call->url + strlen(ROLES), "/?#%\\"));
	FUZZ_CHECK(strcmp(call->method, "GET") == 0);
	FUZZ_CHECK(strncmp(call->headers, "X-aws-ec2-metadata-token: ", 26) == 0 && call->headers[26] > ' ');
}

/* As the one who calls there reads it. */
static void check_container_call(const struct fuzz_call *call)
{
	static const char *const known[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
					    "127.0.0.1",     "localhost",      "[::1]"};
	CURLU *url = curl_url();
	char *scheme = NULL, *host = NULL;
	bool ok = false;

	FUZZ_CHECK(url && curl_url_set(url, CURLUPART_URL, call->url, 0) == CURLUE_OK &&
		   curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		   curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ok |= strcmp(known[i], host) == 0;
	FUZZ_CHECK(ok && strcmp(scheme, "http") == 0 && strcmp(call->method, "GET") == 0);
	FUZZ_CHECK(!*call->headers || strncmp(call->headers, "Authorization: ", 15) == 0);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(url);
}

/* One round, answer by answer. */
static void answer_round(struct jit_awsrole *role, struct fuzz_input *in)
{
	for (const struct fuzz_call *call = fuzz_fetch_first(); call; call = fuzz_fetch_first()) {
		if (role->way->has_code)
			check_imds_call(call);
		else
			check_container_call(call);
		fuzz_fetch_answer(in);
	}
}

static void answer_rounds(struct jit_awsrole *role, struct fuzz_input *in)
{
	for (int round = 0; round < 4; round++) {
		char *before = role->plain ? strdup(role->plain) : NULL;

		if (round)
			jit_awsrole_start(role);
		answer_round(role, in);
		if (role->failures) {
			check_trouble(role);
			FUZZ_CHECK(before ? strcmp(before, role->plain) == 0 : !role->plain);
		} else {
			FUZZ_CHECK(role->plain);
		}
		free(before);
		if (role->plain)
			check_keys(role, &role->keys);
		FUZZ_CHECK(!role->call && !role->header);
	}
}

/* 'r': a path below ECS's address; 'f': a URL of its own; then a token where there is a letter more. */
static struct jit_awsrole *container(char kind, struct fuzz_input *in)
{
	size_t len;
	char *uri = fuzz_part(in, &len), *token = fuzz_part(in, &len), why[512] = "";
	const struct jit_awsrole_container where = {.relative_uri = kind == 'r' ? uri : NULL,
						    .full_uri = kind == 'f' ? uri : NULL,
						    .token = *token ? token : NULL};
	struct jit_awsrole *role = jit_awsrole_container_new(base, &where, why, sizeof(why));

	FUZZ_CHECK(!role == (why[0] != '\0'));
	free(uri);
	free(token);
	return role;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const char kind = (char)fuzz_byte(&in);

	if (!base)
		FUZZ_CHECK((base = event_base_new()));
	struct jit_awsrole *role = kind == 'r' || kind == 'f' ? container(kind, &in) : jit_awsrole_imds_new(base, NULL);
	if (role)
		answer_rounds(role, &in);
	jit_awsrole_free(role);
	FUZZ_CHECK(!fuzz_fetch_first());
	return 0;
}
