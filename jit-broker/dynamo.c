/* See dynamo.h. */
#include "dynamo.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws_keys.h"
#include "cleanup.h"
#include "clock.h"
#include "curlmem.h"
#include "fetch.h"
#include "fetch_fault.h"
#include "json.h"
#include "json_read.h"
#include "text.h"

#define CALL_MS	   3000 /* one operation with all its tries */
#define TRY_MS	   1200 /* one try */
#define TRIES	   3
#define PAUSE_MS   50 /* before the second try, at most; then twice as long each time */
#define BROKEN_MAX 8000
#define BROKEN_MS  1000	       /* after a lost connection nobody waits for another for so long */
#define ANSWER_MAX (17U << 20) /* bytes; DynamoDB's own limit is 1 MiB a page, 16 MiB a batch */
#define ANSWER_MIN 4096U
#define TARGET	   "DynamoDB_20120810."

struct jb_dynamo {
	CURL *easy;
	char *url, *ca, *credentials;
	char provider[96];
	bool plain;
	char *answer;
	size_t answer_len, answer_size;
	bool too_large;
	char detail[CURL_ERROR_SIZE];
	char why[320];
	bool unsure;
	bool throttled;	      /* the last try was refused for its haste alone */
	int64_t broken_until; /* on the clock of jit_boottime_ms */
	int64_t broken_ms;    /* for how long the last time; 0: the table answers */
};

static void answer_clear(struct jb_dynamo *dynamo)
{
	if (dynamo->answer)
		explicit_bzero(dynamo->answer, dynamo->answer_len);
	free(dynamo->answer);
	dynamo->answer = NULL;
	dynamo->answer_len = dynamo->answer_size = 0;
	dynamo->too_large = false;
}

void jb_dynamo_free(struct jb_dynamo *dynamo)
{
	if (!dynamo)
		return;
	if (dynamo->easy)
		curl_easy_cleanup(dynamo->easy);
	answer_clear(dynamo);
	free(dynamo->url);
	free(dynamo->ca);
	free(dynamo->credentials);
	free(dynamo);
}

/* Room for so much more, and a NUL. No realloc: it would leave a copy behind that nobody wipes. */
static bool make_room(struct jb_dynamo *dynamo, size_t more)
{
	size_t size = dynamo->answer_size ? dynamo->answer_size : ANSWER_MIN;

	while (size <= dynamo->answer_len + more)
		size *= 2;
	if (size == dynamo->answer_size)
		return true;
	char *grown = malloc(size);
	if (!grown)
		return false;
	if (dynamo->answer) {
		memcpy(grown, dynamo->answer, dynamo->answer_len);
		explicit_bzero(dynamo->answer, dynamo->answer_len);
		free(dynamo->answer);
	}
	dynamo->answer = grown;
	dynamo->answer_size = size;
	return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct jb_dynamo *dynamo = arg;
	const size_t len = size * count;

	dynamo->too_large = len > ANSWER_MAX - dynamo->answer_len;
	if (dynamo->too_large || !make_room(dynamo, len))
		return 0;
	memcpy(dynamo->answer + dynamo->answer_len, data, len);
	dynamo->answer_len += len;
	dynamo->answer[dynamo->answer_len] = '\0';
	return len;
}

/* What is the same in every call. */
static bool prepare(struct jb_dynamo *dynamo)
{
	CURL *easy = dynamo->easy = curl_easy_init();
	CURLcode bad = easy ? CURLE_OK : CURLE_OUT_OF_MEMORY;
	const struct {
		CURLoption option;
		const char *text;
	} texts[] = {{CURLOPT_PROTOCOLS_STR, dynamo->plain ? "http" : "https"},
		     {CURLOPT_URL, dynamo->url},
		     {CURLOPT_PROXY, ""},
		     {CURLOPT_AWS_SIGV4, dynamo->provider},
		     {CURLOPT_USERAGENT, "jit-broker/" JIT_VERSION}};
	const struct {
		CURLoption option;
		long number;
	} numbers[] = {{CURLOPT_FOLLOWLOCATION, 0},
		       {CURLOPT_NETRC, CURL_NETRC_IGNORED},
		       {CURLOPT_SSL_VERIFYPEER, 1},
		       {CURLOPT_SSL_VERIFYHOST, 2},
		       {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		       {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
		       {CURLOPT_TCP_NODELAY, 1},
		       {CURLOPT_NOSIGNAL, 1},
		       {CURLOPT_POST, 1}};

	for (size_t i = 0; bad == CURLE_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		bad = curl_easy_setopt(easy, texts[i].option, texts[i].text);
	for (size_t i = 0; bad == CURLE_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		bad = curl_easy_setopt(easy, numbers[i].option, numbers[i].number);
	if (bad == CURLE_OK && dynamo->ca) {
		bad = curl_easy_setopt(easy, CURLOPT_CAINFO, dynamo->ca);
		if (bad == CURLE_OK)
			bad = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (bad == CURLE_OK)
		bad = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, dynamo->detail);
	if (bad == CURLE_OK)
		bad = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	if (bad == CURLE_OK)
		bad = curl_easy_setopt(easy, CURLOPT_WRITEDATA, dynamo);
	return bad == CURLE_OK;
}

/* With "/" at its end: SigV4 by libcurl is right for POST to "/" alone. NULL: no such thing, or out of memory. */
static char *url_of(const struct jb_dynamo_options *options)
{
	const char *endpoint = options->endpoint;
	char *url = NULL;

	if (!endpoint)
		return asprintf(&url, "https://dynamodb.%s.amazonaws.com/", options->region) < 0 ? NULL : url;
	const char *host = strstr(endpoint, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	if (!host || strpbrk(host + 3, "?#@") || (path && path[1]))
		return NULL;
	return asprintf(&url, "%s%s", endpoint, path ? "" : "/") < 0 ? NULL : url;
}

struct jb_dynamo *jb_dynamo_new(const struct jb_dynamo_options *options, char *why, size_t why_size)
{
	struct jb_dynamo *dynamo = calloc(1, sizeof(*dynamo));

	snprintf(why, why_size, "out of memory");
	if (!dynamo || jit_curlmem_start() < 0)
		goto fail;
	if (!(dynamo->url = url_of(options))) {
		snprintf(why, why_size, "store_endpoint is scheme, host and port, and nothing after them");
		goto fail;
	}
	dynamo->plain = jit_fetch_is_plain_loopback(dynamo->url);
	if (strncmp(dynamo->url, "https://", 8) != 0 && !(dynamo->plain && options->plain_loopback)) {
		snprintf(why, why_size,
			 "store_endpoint is https://... (http:// to loopback wants store_plain_loopback = yes)");
		goto fail;
	}
	snprintf(dynamo->provider, sizeof(dynamo->provider), "aws:amz:%s:dynamodb", options->region);
	if ((options->ca && !(dynamo->ca = strdup(options->ca))) ||
	    !(dynamo->credentials = strdup(options->credentials)) || !prepare(dynamo))
		goto fail;
	return dynamo;
fail:
	jb_dynamo_free(dynamo);
	return NULL;
}

/* A header line that may hold a secret: wiped when it is freed. */
static bool add_header(struct curl_slist **headers, const char *text)
{
	struct curl_slist *grown = curl_slist_append(*headers, text);

	if (grown)
		*headers = grown;
	return grown != NULL;
}

static void headers_free(struct curl_slist *headers)
{
	for (struct curl_slist *line = headers; line; line = line->next)
		OPENSSL_cleanse(line->data, strlen(line->data));
	curl_slist_free_all(headers);
}

/* What signs a call. It lies in the secure heap, so libcurl's copies do too (curlmem.h). */
struct signer {
	struct jb_aws_keys keys;
	char token[sizeof("X-Amz-Security-Token: ") + sizeof((struct jb_aws_keys){0}.session_token)];
};

/* Key and headers of this call; they are read afresh, so that rotated keys are found. */
static int sign(struct jb_dynamo *dynamo, const char *operation, struct curl_slist **ret_headers)
{
	struct signer *signer = OPENSSL_secure_zalloc(sizeof(*signer));
	char target[64], why[256] = "";
	int r = -EIO;

	snprintf(dynamo->why, sizeof(dynamo->why), "out of memory");
	if (!signer)
		return -EIO;
	if (jb_aws_keys_read(dynamo->credentials, &signer->keys, why, sizeof(why)) < 0) {
		snprintf(dynamo->why, sizeof(dynamo->why), "the broker has no AWS credentials: %s", why);
		goto out;
	}
	snprintf(signer->token, sizeof(signer->token), "X-Amz-Security-Token: %s", signer->keys.session_token);
	snprintf(target, sizeof(target), "X-Amz-Target: " TARGET "%s", operation);
	if (add_header(ret_headers, "Content-Type: application/x-amz-json-1.0") && add_header(ret_headers, target) &&
	    (!*signer->keys.session_token || add_header(ret_headers, signer->token)) &&
	    jit_curlmem_login(dynamo->easy, signer->keys.access_key_id, signer->keys.secret_access_key) == CURLE_OK &&
	    curl_easy_setopt(dynamo->easy, CURLOPT_HTTPHEADER, *ret_headers) == CURLE_OK)
		r = 0;
out:
	OPENSSL_secure_clear_free(signer, sizeof(*signer));
	return r;
}

static const char *text_of(struct json_object *json, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names) != 0)
		names++;
	return *names != NULL;
}

/* What to do about a refusal that its name alone does not tell. */
static const char *advice(const char *name)
{
	static const char *const clock_or_key[] = {"InvalidSignatureException", "SignatureDoesNotMatch",
						   "RequestExpired", NULL};
	static const char *const key[] = {"UnrecognizedClientException", "ExpiredTokenException", "ExpiredToken",
					  "MissingAuthenticationTokenException", NULL};

	return is_one_of(name, clock_or_key) ? "; check the broker's clock and its AWS secret key"
	       : is_one_of(name, key)	     ? "; renew the broker's AWS credentials"
					     : "";
}

/* "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException" and what it means: 0 as *ret_again says. */
static int refused(struct jb_dynamo *dynamo, struct json_object *json, long status, bool *ret_again)
{
	static const char *const passing[] = {"ProvisionedThroughputExceededException",
					      "ThrottlingException",
					      "RequestLimitExceeded",
					      "InternalServerError",
					      "ServiceUnavailable",
					      NULL};
	const char *type = text_of(json, "__type"), *name = strchr(type, '#');
	const char *said = text_of(json, "message");

	name = name ? name + 1 : type;
	if (strcmp(name, "ConditionalCheckFailedException") == 0)
		return -ECANCELED;
	*ret_again = status >= 500 || is_one_of(name, passing);
	dynamo->throttled = *ret_again && status < 500;
	/* An answer of 5xx does not say that nothing was done. */
	dynamo->unsure |= status >= 500;
	char raw[sizeof(dynamo->why)];
	if (!*said)
		said = text_of(json, "Message");
	snprintf(raw, sizeof(raw), "DynamoDB refused it: %s%s%.200s%s", *name ? name : "no reason given",
		 *said ? ": " : "", said, advice(name));
	jit_text_clean_str(dynamo->why, sizeof(dynamo->why), raw);
	return strcmp(name, "ResourceNotFoundException") == 0 ? -ENOENT : -EIO;
}

/* This process's own want: the table is not asked again for it, nor given a rest. */
static int out_of_memory(struct jb_dynamo *dynamo, bool sent)
{
	snprintf(dynamo->why, sizeof(dynamo->why), "out of memory");
	dynamo->unsure |= sent;
	return -EIO;
}

/* One try. *ret_again: another may help. */
static int try_once(struct jb_dynamo *dynamo, long timeout_ms, struct json_object **ret, bool *ret_again)
{
	long status = 0;
	curl_off_t sent_after = 0;

	answer_clear(dynamo);
	dynamo->throttled = false;
	dynamo->detail[0] = '\0';
	curl_easy_setopt(dynamo->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	const CURLcode code = curl_easy_perform(dynamo->easy);
	curl_easy_getinfo(dynamo->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(dynamo->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after);
	if (code == CURLE_OUT_OF_MEMORY || (code == CURLE_WRITE_ERROR && !dynamo->too_large))
		return out_of_memory(dynamo, sent_after > 0);
	if (code != CURLE_OK) {
		const enum jit_fetch_fault fault = dynamo->too_large ? JIT_FETCH_TOO_LARGE : jit_fetch_fault_of(code);
		snprintf(dynamo->why, sizeof(dynamo->why), "DynamoDB cannot be asked: %s",
			 jit_fetch_why(fault, code, dynamo->easy, dynamo->detail));
		*ret_again = !dynamo->too_large;
		dynamo->unsure |= sent_after > 0;
		return -EIO;
	}
	JIT_JSON json_object *json = NULL;
	if (dynamo->answer && jit_json_read(dynamo->answer, dynamo->answer_len, JIT_JSON_DEPTH, &json) == -ENOMEM)
		return out_of_memory(dynamo, true);
	if (status == 200 && json_object_is_type(json, json_type_object)) {
		*ret = json_object_get(json);
		return 0;
	}
	if (status != 200 && json_object_is_type(json, json_type_object))
		return refused(dynamo, json, status, ret_again);
	snprintf(dynamo->why, sizeof(dynamo->why),
		 "DynamoDB's answer makes no sense: HTTP status %ld and no JSON document", status);
	*ret_again = true;
	dynamo->unsure = true;
	return -EIO;
}

/* Up to PAUSE_MS, twice as long after each further try, all of it by chance: those who were refused together part. */
static void pause_before(int try)
{
	uint32_t random = UINT32_MAX;

	RAND_bytes((unsigned char *)&random, sizeof(random)); /* failed: the longest */
	const int64_t ms = ((int64_t)PAUSE_MS << (try - 1)) * random / UINT32_MAX;
	const struct timespec pause = {.tv_nsec = ms * 1000000};
	nanosleep(&pause, NULL);
}

/* A table that does not answer must not hold up everybody all the time. */
static void give_rest(struct jb_dynamo *dynamo)
{
	const int64_t twice = 2 * dynamo->broken_ms;

	dynamo->broken_ms = twice < BROKEN_MS ? BROKEN_MS : twice < BROKEN_MAX ? twice : BROKEN_MAX;
	dynamo->broken_until = jit_boottime_ms() + dynamo->broken_ms;
}

static int call(struct jb_dynamo *dynamo, struct json_object **ret)
{
	const int64_t until = jit_boottime_ms() + CALL_MS;
	const int tries = dynamo->broken_ms ? 1 : TRIES; /* whether it answers again one try tells */
	int r = -EIO;

	for (int try = 0; try < tries; try++) {
		bool again = false;

		if (try)
			pause_before(try);
		const int64_t left = until - jit_boottime_ms();
		if (left <= 0)
			break;
		r = try_once(dynamo, left < TRY_MS ? (long)left : TRY_MS, ret, &again);
		if (r == 0 || !again) {
			dynamo->broken_ms = 0;
			return r;
		}
	}
	if (!dynamo->throttled)
		give_rest(dynamo);
	return r;
}

int jb_dynamo_call(struct jb_dynamo *dynamo, const char *operation, struct json_object *body, struct json_object **ret)
{
	struct curl_slist *headers = NULL;
	size_t len;
	const char *text = jit_json_text(body, &len);
	int r = -EIO;

	dynamo->unsure = false;
	if (jit_boottime_ms() < dynamo->broken_until) /* its reason still stands in why */
		return -EIO;
	if (!text) {
		snprintf(dynamo->why, sizeof(dynamo->why), "out of memory");
		return -EIO;
	}
	curl_easy_setopt(dynamo->easy, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(dynamo->easy, CURLOPT_POSTFIELDS, text);
	if (sign(dynamo, operation, &headers) == 0)
		r = call(dynamo, ret);
	/* The text is the caller's, and keys do not stay. */
	curl_easy_setopt(dynamo->easy, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(dynamo->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(dynamo->easy, CURLOPT_PASSWORD, NULL);
	headers_free(headers);
	answer_clear(dynamo);
	return r;
}

bool jb_dynamo_unsure(const struct jb_dynamo *dynamo)
{
	return dynamo->unsure;
}

const char *jb_dynamo_error(const struct jb_dynamo *dynamo)
{
	return dynamo->why;
}
