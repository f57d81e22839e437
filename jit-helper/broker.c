/* See broker.h. */
#include "broker.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alarm.h"
#include "answer.h"
#include "broker_sign.h"
#include "certificate.h"
#include "log.h"
#include "safefile.h"
#include "verdict.h"

#define KEY_MAX		   256
#define URL_MAX		   2048
#define HEADERS_MAX	   8
#define SEVERAL_CONNECT_MS 2000	 /* where there is another one to go to */
#define PROBE_MS	   10000 /* how often one that failed is looked for; jitter takes up to a quarter off */
#define PROBE_LIMIT_MS	   5000
#define RELAPSES_MAX	   4 /* one that only looks well is looked for every 10, 20, … 320 s */

/* One address of conf->brokers. */
struct address {
	struct jh_broker *broker;
	const char *url;
	bool failed;
	struct jit_fetch_call *probe;
	bool found_well;   /* by a look, and no call has shown it yet */
	unsigned relapses; /* how often in a row no call did */
	unsigned pass;	   /* so many looks pass it over */
};

struct jh_broker {
	const struct jh_conf *conf;
	struct jit_fetch *fetch, *prober; /* prober: its tries say nothing of the address by themselves */
	struct event *probe_due;
	struct address addresses[JH_BROKERS_MAX];
	char *key_header; /* "x-api-key: …", secure heap */
	struct jh_certificate certificate;
	struct jh_signer signer;
};

/* NAME and VALUE joined, in the secure heap, released with secure_free. NULL: out of memory. */
static char *secret_header(const char *name, const char *value, size_t value_len)
{
	size_t name_len = strlen(name);
	char *line = OPENSSL_secure_malloc(name_len + value_len + 1);

	if (!line)
		return NULL;
	memcpy(line, name, name_len);
	memcpy(line + name_len, value, value_len);
	line[name_len + value_len] = '\0';
	return line;
}

static void secure_free(char *text)
{
	if (text)
		OPENSSL_secure_clear_free(text, strlen(text) + 1);
}

static int read_key(struct jh_broker *broker, const char *path, char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = KEY_MAX + 2};
	size_t len, size;
	char *text;

	int r = jit_file_read(path, &rule, &text, &size, why, why_size);
	if (r < 0)
		return r;
	len = strcspn(text, "\r\n");
	bool good = len > 0 && len <= KEY_MAX && text[len + strspn(text + len, "\r\n")] == '\0';
	for (size_t i = 0; i < len; i++)
		good = good && text[i] > ' ' && text[i] < 0x7f;
	if (good)
		broker->key_header = secret_header("x-api-key: ", text, len);
	explicit_bzero(text, size);
	free(text);
	if (broker->key_header)
		return 0;
	if (good) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	snprintf(why, why_size, "%s must hold one line, the API key of this host: make one with `jit-broker key`",
		 path);
	return -EINVAL;
}

static size_t count_of(const struct jh_broker *broker)
{
	return broker->conf->broker_count;
}

/* The first that has not failed; where all have, the first. */
static size_t current(const struct jh_broker *broker)
{
	for (size_t i = 0; i < count_of(broker); i++)
		if (!broker->addresses[i].failed)
			return i;
	return 0;
}

const char *jh_broker_url(const struct jh_broker *broker)
{
	return broker->addresses[current(broker)].url;
}

const char *jh_broker_trouble(const struct jh_broker *broker)
{
	return jh_signer_trouble(&broker->signer);
}

int64_t jh_broker_certificate_end(const struct jh_broker *broker)
{
	return broker->certificate.good_until;
}

static void probe_later(struct jh_broker *broker)
{
	int64_t ms = jh_backoff_ms(0, PROBE_MS, PROBE_MS);
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (current(broker) > 0 && !evtimer_pending(broker->probe_due, NULL))
		evtimer_add(broker->probe_due, &tv);
}

static void on_probed(void *arg, const struct jit_fetch_result *result)
{
	struct address *a = arg;

	a->probe = NULL;
	if (result->fault == JIT_FETCH_OK && result->status == 200) {
		a->failed = false;
		a->found_well = true;
		jit_log(LOG_NOTICE, "the broker at %s answers again", a->url);
	}
	probe_later(a->broker);
}

static void probe(struct jh_broker *broker, struct address *a)
{
	char url[URL_MAX];
	const char *headers[2] = {NULL};
	struct jh_signature signature;
	struct jit_fetch_request request = {.method = "GET",
					    .url = url,
					    .timeout_ms = PROBE_LIMIT_MS,
					    .connect_ms = SEVERAL_CONNECT_MS,
					    .max_body = JH_ANSWER_MAX,
					    .headers = headers};

	if (a->probe || snprintf(url, sizeof(url), "%s/healthz", a->url) >= (int)sizeof(url) ||
	    jh_sign(&broker->signer, &signature) < 0)
		return;
	if (signature.token)
		headers[0] = signature.token;
	jh_signature_put(&signature, &request);
	a->probe = jit_fetch_start(broker->prober, &request, on_probed, a);
	jh_signature_clear(&signature);
}

void jh_broker_look(struct jh_broker *broker)
{
	for (size_t i = 0; i < current(broker); i++) {
		if (broker->addresses[i].pass > 0)
			broker->addresses[i].pass--;
		else
			probe(broker, &broker->addresses[i]);
	}
}

static void on_probe_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	jh_broker_look(arg);
	probe_later(arg);
}

/* The longest that fits: one may go on from another. */
static struct address *address_of(struct jh_broker *broker, const char *url)
{
	struct address *found = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < count_of(broker); i++) {
		size_t len = strlen(broker->addresses[i].url);

		if (len > longest && strncmp(url, broker->addresses[i].url, len) == 0 && url[len] == '/') {
			found = &broker->addresses[i];
			longest = len;
		}
	}
	return found;
}

/* A broker that is well when it is looked at and fails every call would cost each of them its time-out. */
static void judge_look(struct address *a, bool useless)
{
	if (!useless) {
		a->relapses = 0;
	} else if (a->found_well) {
		a->pass = (2U << a->relapses) - 1;
		a->relapses += a->relapses < RELAPSES_MAX;
	}
	a->found_well = false;
}

/* Each try of each call comes by here. */
static bool on_try(void *arg, const char *url, const struct jit_fetch_result *result)
{
	struct jh_broker *broker = arg;
	struct address *a = address_of(broker, url);
	bool useless = jh_no_answer(result);
	char trouble[JIT_LINE_SIZE];

	if (a)
		judge_look(a, useless);
	if (!a || a->failed == useless)
		return useless;
	a->failed = useless;
	if (useless && count_of(broker) > 1) {
		jh_trouble(result, a->url, trouble, sizeof(trouble));
		jit_log(LOG_WARNING, "%s; the next one is %s", trouble, jh_broker_url(broker));
	}
	probe_later(broker);
	return useless;
}

static int start_fetching(struct jh_broker *broker, struct event_base *base)
{
	const struct jh_conf *conf = broker->conf;
	struct jit_fetch_options options = {
		.ca_file = conf->ca_file,
		.certificate = broker->certificate.chain,
		.certificate_key = broker->certificate.key,
		.plain_loopback = conf->plain_loopback,
		.user_agent = "jit-helper/" JIT_VERSION,
	};

	broker->prober = jit_fetch_new(base, &options);
	options.useless = on_try;
	options.useless_arg = broker;
	broker->fetch = jit_fetch_new(base, &options);
	broker->probe_due = evtimer_new(base, on_probe_due, broker);
	return broker->prober && broker->fetch && broker->probe_due ? 0 : -1;
}

static int start(struct jh_broker *broker, struct event_base *base, char *why, size_t why_size)
{
	const struct jh_conf *conf = broker->conf;
	int r = 0;

	for (size_t i = 0; i < conf->broker_count; i++)
		broker->addresses[i] = (struct address){.broker = broker, .url = conf->brokers[i]};
	if (conf->auth != JH_AUTH_IAM)
		r = read_key(broker, conf->api_key_file, why, why_size);
	if (r == 0)
		r = jh_certificate_read(conf, &broker->certificate, why, why_size);
	if (r < 0)
		return r;
	if (start_fetching(broker, base) < 0) {
		snprintf(why, why_size, "libcurl cannot start: out of memory");
		return -ENOMEM;
	}
	snprintf(why, why_size, "out of memory");
	return jh_signer_start(&broker->signer, base, conf) < 0 ? -ENOMEM : 0;
}

struct jh_broker *jh_broker_new(struct event_base *base, const struct jh_conf *conf, char *why, size_t why_size)
{
	struct jh_broker *broker = calloc(1, sizeof(*broker));
	int r = -ENOMEM;

	snprintf(why, why_size, "out of memory");
	if (broker) {
		broker->conf = conf;
		r = start(broker, base, why, why_size);
	}
	if (r == 0)
		return broker;
	jh_broker_free(broker);
	errno = -r;
	return NULL;
}

void jh_broker_free(struct jh_broker *broker)
{
	if (!broker)
		return;
	if (broker->probe_due)
		event_free(broker->probe_due);
	jit_fetch_free(broker->fetch);
	jit_fetch_free(broker->prober);
	jh_certificate_clear(&broker->certificate);
	jh_signer_stop(&broker->signer);
	secure_free(broker->key_header);
	free(broker);
}

/* The call's URL at each broker, the one that serves now first. 0, or -1: too long. */
static int make_urls(const struct jh_broker *broker, const char *path, char urls[JH_BROKERS_MAX][URL_MAX],
		     const char *list[static JH_BROKERS_MAX + 1])
{
	size_t n = 0;

	/* Those that failed come last: one may have come back unseen. */
	for (int failed = 0; failed <= 1; failed++) {
		for (size_t i = 0; i < count_of(broker); i++) {
			if (broker->addresses[i].failed != (bool)failed)
				continue;
			if (snprintf(urls[n], URL_MAX, "%s%s", broker->addresses[i].url, path) >= URL_MAX)
				return -1;
			list[n] = urls[n];
			n++;
		}
	}
	list[n] = NULL;
	return 0;
}

struct jit_fetch_call *jh_broker_call(struct jh_broker *broker, const struct jh_call *call, jit_fetch_done done,
				      void *arg)
{
	const char *headers[HEADERS_MAX] = {"Accept: application/json"}, *list[JH_BROKERS_MAX + 1];
	char urls[JH_BROKERS_MAX][URL_MAX], path[URL_MAX], idempotency[128];
	long limit_ms = (long)broker->conf->broker_timeout_s * 1000;
	struct jit_fetch_call *started;
	struct jh_signature signature;
	char *bearer = NULL;
	size_t n = 1;

	if (jh_signed_path(call->path, path, sizeof(path)) < 0 || make_urls(broker, path, urls, list) < 0)
		return NULL;
	if (broker->key_header)
		headers[n++] = broker->key_header;
	if (call->body)
		headers[n++] = "Content-Type: application/json";
	if (call->idempotency_key) {
		snprintf(idempotency, sizeof(idempotency), "Idempotency-Key: %s", call->idempotency_key);
		headers[n++] = idempotency;
	}
	if (call->bearer) {
		/* A signature has the other header for itself. */
		bearer = secret_header(broker->signer.imds ? "X-Jit-Grant-Token: " : "Authorization: Bearer ",
				       call->bearer->at, call->bearer->len);
		if (!bearer)
			return NULL;
		headers[n++] = bearer;
	}
	if (jh_sign(&broker->signer, &signature) < 0) {
		secure_free(bearer);
		return NULL;
	}
	if (signature.token)
		headers[n++] = signature.token;
	struct jit_fetch_request request = {
		.method = call->method,
		.url = list[0],
		.elsewhere = list + 1,
		.headers = headers,
		.body = call->body,
		.body_len = call->body ? strlen(call->body) : 0,
		.timeout_ms = limit_ms + call->longer_ms,
		.connect_ms = count_of(broker) > 1 && limit_ms > SEVERAL_CONNECT_MS ? SEVERAL_CONNECT_MS : limit_ms,
		.max_body = call->max_body ? call->max_body : JH_ANSWER_MAX,
		.secret = call->secret,
	};
	jh_signature_put(&signature, &request);
	started = jit_fetch_start(broker->fetch, &request, done, arg);
	jh_signature_clear(&signature);
	secure_free(bearer);
	return started;
}
