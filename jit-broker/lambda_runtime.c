/* See lambda_runtime.h. */
#include "lambda_runtime.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "curlmem.h"
#include "doc.h"
#include "log.h"
#include "source.h"
#include "text.h"

#define ROOT	      "/2018-06-01/runtime/"
#define CONNECT_MS    2000L
#define INIT_ERROR_MS 2000L
#define IDLE_S	      3600L /* no invocation lasts so long: the connection outlives each */
#define FIRST_SIZE    ((size_t)16384)
#define TRACE	      "_X_AMZN_TRACE_ID"
#define AGENT	      "jit-broker/" JIT_VERSION

/* What the Runtime API says, wiped whenever it moves or ends. */
struct text {
	char *data;
	size_t len, size;
	bool too_large;
};

struct jb_lambda {
	CURL *easy; /* the one connection */
	struct curl_slist *plain;
	char base[96]; /* "http://127.0.0.1:9001/2018-06-01/runtime/" */
	char curl_error[CURL_ERROR_SIZE];
	/* The invocation under way */
	struct text text;
	char request_id[65], trace_id[512];
	int64_t deadline_ms;
};

static void text_clear(struct text *text)
{
	if (text->data)
		explicit_bzero(text->data, text->len);
	free(text->data);
	*text = (struct text){0};
}

/* No realloc: it would leave a copy behind that nobody wipes. */
static bool text_grow(struct text *text, size_t need)
{
	size_t size = text->size ? text->size : FIRST_SIZE;

	while (size < need)
		size *= 2;
	char *data = size == text->size ? NULL : malloc(size);
	if (!data)
		return size == text->size;
	if (text->data) {
		memcpy(data, text->data, text->len);
		explicit_bzero(text->data, text->len);
		free(text->data);
	}
	text->data = data;
	text->size = size;
	return true;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
	struct text *text = arg;
	size_t len = size * count;

	/* Read to its end all the same: the connection is needed to say so. */
	text->too_large |= len > JB_LAMBDA_BODY_MAX - text->len;
	if (text->too_large)
		return len;
	if (!text_grow(text, text->len + len + 1))
		return 0;
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
	return len;
}

/* "127.0.0.1:9001": events hold keys in clear, so nothing that is further away than this machine. */
static bool is_own_instance(const char *api)
{
	const char *colon = strrchr(api, ':');
	struct jb_address address;
	char host[64];
	uint64_t port;

	if (!colon || (size_t)(colon - api) >= sizeof(host))
		return false;
	memcpy(host, api, (size_t)(colon - api));
	host[colon - api] = '\0';
	/* IPv4, as IPv6 maps it: 169.254.0.0/16 ends with its four bytes. */
	return jit_parse_u64(colon + 1, UINT16_MAX, &port) == 0 && jb_address_parse(host, &address) &&
	       !strchr(host, ':') &&
	       (jb_address_is_loopback(&address) || (address.byte[12] == 169 && address.byte[13] == 254));
}

static bool set_up(struct jb_lambda *lambda)
{
	CURL *easy = lambda->easy = curl_easy_init();

	lambda->plain = curl_slist_append(NULL, "Expect:");
	if (lambda->plain && !curl_slist_append(lambda->plain, "Content-Type: application/json"))
		return false;
	return easy && lambda->plain && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_S) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, AGENT) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, lambda->curl_error) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
}

struct jb_lambda *jb_lambda_new(const char *api, char *why, size_t why_size)
{
	struct jb_lambda *lambda;

	if (!api || !is_own_instance(api)) {
		snprintf(why, why_size,
			 "AWS_LAMBDA_RUNTIME_API must be the address and port of this instance's Runtime API: this "
			 "program is started by Lambda");
		return NULL;
	}
	snprintf(why, why_size, "out of memory");
	lambda = calloc(1, sizeof(*lambda));
	if (!lambda || jit_curlmem_start() < 0 || !set_up(lambda)) {
		jb_lambda_free(lambda);
		return NULL;
	}
	snprintf(lambda->base, sizeof(lambda->base), "http://%s" ROOT, api);
	return lambda;
}

void jb_lambda_free(struct jb_lambda *lambda)
{
	if (!lambda)
		return;
	text_clear(&lambda->text);
	curl_easy_cleanup(lambda->easy);
	curl_slist_free_all(lambda->plain);
	free(lambda);
}

/* The call that has been set up, to base + path, its answer into `into`. 0 and the status, or -1. */
static int call(struct jb_lambda *lambda, const char *path, long timeout_ms, struct text *into, long *ret_status,
		char *why, size_t why_size)
{
	char url[256];
	CURLcode code = CURLE_URL_MALFORMAT;

	*lambda->curl_error = '\0';
	if ((size_t)snprintf(url, sizeof(url), "%s%s", lambda->base, path) < sizeof(url) &&
	    curl_easy_setopt(lambda->easy, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(lambda->easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
	    curl_easy_setopt(lambda->easy, CURLOPT_WRITEDATA, into) == CURLE_OK)
		code = curl_easy_perform(lambda->easy);
	if (code == CURLE_OK) {
		curl_easy_getinfo(lambda->easy, CURLINFO_RESPONSE_CODE, ret_status);
		return 0;
	}
	snprintf(why, why_size, "the Runtime API cannot be asked for %s: %s", path,
		 *lambda->curl_error ? lambda->curl_error : curl_easy_strerror(code));
	return -1;
}

/* A text that stays where it is until the call is over. */
static int post(struct jb_lambda *lambda, const char *path, const char *body, size_t len, long timeout_ms,
		long *ret_status, char *why, size_t why_size)
{
	struct text said = {0};
	int r = -1;

	if (curl_easy_setopt(lambda->easy, CURLOPT_HTTPHEADER, lambda->plain) == CURLE_OK &&
	    curl_easy_setopt(lambda->easy, CURLOPT_POSTFIELDS, body) == CURLE_OK &&
	    curl_easy_setopt(lambda->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) == CURLE_OK)
		r = call(lambda, path, timeout_ms, &said, ret_status, why, why_size);
	else
		snprintf(why, why_size, "out of memory");
	curl_easy_setopt(lambda->easy, CURLOPT_POSTFIELDS, NULL);
	text_clear(&said);
	return r;
}

static int post_error(struct jb_lambda *lambda, const char *path, const char *error, const char *message,
		      long timeout_ms, long *ret_status, char *why, size_t why_size)
{
	JB_DOC doc = {json_object_new_object()};
	size_t len;

	jb_doc_text(&doc, "errorMessage", message);
	jb_doc_text(&doc, "errorType", error);
	const char *text = jit_json_text(doc.json, &len);
	if (!text) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	return post(lambda, path, text, len, timeout_ms, ret_status, why, why_size);
}

int jb_lambda_fail_init(struct jb_lambda *lambda, const char *error, const char *message, char *why, size_t why_size)
{
	long status = 0;

	if (post_error(lambda, "init/error", error, message, INIT_ERROR_MS, &status, why, why_size) < 0)
		return -1;
	if (status == 202)
		return 0;
	snprintf(why, why_size, "the Runtime API answers init/error with status %ld", status);
	return -1;
}

/* False: it is not there, or longer than fits. */
static bool read_header(struct jb_lambda *lambda, const char *name, char *buf, size_t size)
{
	struct curl_header *header;

	if (curl_easy_header(lambda->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
	    (size_t)snprintf(buf, size, "%s", header->value) < size)
		return true;
	*buf = '\0';
	return false;
}

static int64_t wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* It becomes a part of the answer's path. */
static bool is_request_id(const char *id)
{
	return *id && id[strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")] == '\0';
}

/* For as long as the invocation lasts it stands in the environment, as Lambda asks of a runtime. X-Ray's letters alone:
 * it goes into the log. */
static void read_trace(struct jb_lambda *lambda)
{
	if (!read_header(lambda, "Lambda-Runtime-Trace-Id", lambda->trace_id, sizeof(lambda->trace_id)) ||
	    lambda->trace_id[strspn(lambda->trace_id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
						      "=;:-_.")])
		*lambda->trace_id = '\0';
}

static int read_heads(struct jb_lambda *lambda, char *why, size_t why_size)
{
	char deadline[24];
	uint64_t deadline_ms;

	if (!read_header(lambda, "Lambda-Runtime-Aws-Request-Id", lambda->request_id, sizeof(lambda->request_id)) ||
	    !is_request_id(lambda->request_id)) {
		snprintf(why, why_size, "the Runtime API gave an event without a Lambda-Runtime-Aws-Request-Id");
		return -1;
	}
	if (!read_header(lambda, "Lambda-Runtime-Deadline-Ms", deadline, sizeof(deadline)) ||
	    jit_parse_u64(deadline, INT64_MAX / 2, &deadline_ms) < 0) {
		snprintf(why, why_size, "the Runtime API gave an event without a Lambda-Runtime-Deadline-Ms");
		return -1;
	}
	lambda->deadline_ms = jit_boottime_ms() + ((int64_t)deadline_ms - wall_ms());
	read_trace(lambda);
	return 0;
}

/* Waits for the next event for as long as it takes: the platform freezes us meanwhile. */
static int next(struct jb_lambda *lambda, char *why, size_t why_size)
{
	long status = 0;

	if (curl_easy_setopt(lambda->easy, CURLOPT_HTTPHEADER, NULL) != CURLE_OK ||
	    curl_easy_setopt(lambda->easy, CURLOPT_HTTPGET, 1L) != CURLE_OK) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	if (call(lambda, "invocation/next", 0, &lambda->text, &status, why, why_size) < 0)
		return -1;
	if (status != 200) {
		snprintf(why, why_size, "the Runtime API answers invocation/next with status %ld", status);
		return -1;
	}
	return read_heads(lambda, why, why_size);
}

/* Whatever it is that cannot be an answer becomes an error. */
static void judge(struct jb_lambda_answer *answer)
{
	if (answer->error)
		return;
	if (!answer->text) {
		answer->error = "Function.NoAnswer";
		snprintf(answer->message, sizeof(answer->message), "The function gave no answer.");
	} else if (answer->len > JB_LAMBDA_BODY_MAX) {
		answer->error = "Function.ResponseSizeTooLarge";
		snprintf(answer->message, sizeof(answer->message), "The answer is over %zu bytes.", JB_LAMBDA_BODY_MAX);
	}
}

static int send_answer(struct jb_lambda *lambda, const struct jb_lambda_answer *answer, int64_t left_ms,
		       long *ret_status, char *why, size_t why_size)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "invocation/%s/%s", lambda->request_id, answer->error ? "error" : "response");
	if (answer->error) {
		jit_log(LOG_ERR, "invocation %s%s%s failed: %s: %s", lambda->request_id,
			*lambda->trace_id ? ", trace " : "", lambda->trace_id, answer->error, answer->message);
		r = post_error(lambda, path, answer->error, answer->message, left_ms, ret_status, why, why_size);
	} else {
		r = post(lambda, path, answer->text, answer->len, left_ms, ret_status, why, why_size);
	}
	if (r == 0 && *ret_status == 500) {
		snprintf(why, why_size, "the Runtime API answers %s with status 500", path);
		return -1;
	}
	return r;
}

/* Hands the answer over while somebody still waits for it. -1: the Runtime API is of no use any more. */
static int hand_over(struct jb_lambda *lambda, struct jb_lambda_answer *answer, char *why, size_t why_size)
{
	int64_t left_ms = lambda->deadline_ms - jit_boottime_ms();
	long status = 0;

	judge(answer);
	if (left_ms <= 0) {
		jit_log(LOG_ERR, "the time of invocation %s was over before it was answered", lambda->request_id);
		return 0;
	}
	if (send_answer(lambda, answer, left_ms, &status, why, why_size) < 0)
		return -1;
	if (status == 413 && !answer->error) {
		answer->error = "Function.ResponseSizeTooLarge";
		snprintf(answer->message, sizeof(answer->message), "The platform finds the answer too large.");
		return hand_over(lambda, answer, why, why_size);
	}
	if (status != 202)
		jit_log(LOG_ERR, "the Runtime API answers invocation %s with status %ld", lambda->request_id, status);
	return 0;
}

static void answer_clear(struct jb_lambda_answer *answer)
{
	if (answer->text)
		explicit_bzero(answer->text, answer->len);
	free(answer->text);
}

/* Of an event that has none, the one before it must not be told: whoever started the program may have set it too. */
static int put_trace(const struct jb_lambda *lambda)
{
	return *lambda->trace_id ? setenv(TRACE, lambda->trace_id, 1) : unsetenv(TRACE);
}

static int serve_one(struct jb_lambda *lambda, jb_lambda_handler handle, void *arg, char *why, size_t why_size)
{
	struct jb_lambda_answer answer = {0};
	const struct jb_lambda_event event = {.request_id = lambda->request_id,
					      .deadline_ms = lambda->deadline_ms,
					      .text = lambda->text.data ? lambda->text.data : "",
					      .len = lambda->text.len};

	if (lambda->text.too_large) {
		answer.error = "Event.TooLarge";
		snprintf(answer.message, sizeof(answer.message), "The event is over %zu bytes.", JB_LAMBDA_BODY_MAX);
	} else if (put_trace(lambda) < 0) {
		answer.error = "Function.OutOfMemory";
		snprintf(answer.message, sizeof(answer.message), "There is no memory for the event.");
	} else {
		handle(arg, &event, &answer);
	}
	int r = hand_over(lambda, &answer, why, why_size);
	answer_clear(&answer);
	unsetenv(TRACE);
	return r;
}

int jb_lambda_run(struct jb_lambda *lambda, jb_lambda_handler handle, void *arg, char *why, size_t why_size)
{
	int r = 0;

	while (r == 0) {
		r = next(lambda, why, why_size);
		if (r == 0)
			r = serve_one(lambda, handle, arg, why, why_size);
		text_clear(&lambda->text);
	}
	return r;
}
