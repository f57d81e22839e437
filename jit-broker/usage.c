/* See usage.h. Both lists are as long as there are hosts and keys, sorted, and only grow. */
#include "usage.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "secret.h"

#define WRITE_S	 2
#define SEEN_S	 60  /* a key's last use is written at most so often */
#define TELL_S	 60  /* a host that is refused stands in the log at most so often */
#define BATCH	 256 /* rows in one write: the loop goes on in between */
#define BATCH_MS 20

struct host {
	char *name;
	struct jb_plan_count count;
	int64_t written;  /* calls of count.day that the store has */
	int64_t read_day; /* the day whose calls were read from there */
	int64_t told;
	bool has_quota;
};

struct key {
	char id[JB_SECRET_ID_SIZE];
	int64_t seen, written;
};

struct jb_usage {
	struct jb_store *store;
	struct event *due;
	struct host *hosts;
	size_t host_count;
	struct key *keys;
	size_t key_count;
	bool failing;
};

/* Where it is, or would be: *ret_there says which. */
static size_t find_host(const struct jb_usage *usage, const char *name, bool *ret_there)
{
	size_t from = 0, to = usage->host_count;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (strcmp(usage->hosts[middle].name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*ret_there = from < usage->host_count && strcmp(usage->hosts[from].name, name) == 0;
	return from;
}

static struct host *host_of(struct jb_usage *usage, const char *name)
{
	bool there;
	const size_t at = find_host(usage, name, &there);

	if (there)
		return &usage->hosts[at];
	struct host *grown = reallocarray(usage->hosts, usage->host_count + 1, sizeof(*grown));
	char *copy = grown ? strdup(name) : NULL;
	if (grown)
		usage->hosts = grown;
	if (!copy)
		return NULL;
	memmove(&grown[at + 1], &grown[at], (usage->host_count++ - at) * sizeof(*grown));
	grown[at] = (struct host){.name = copy, .read_day = -1};
	return &grown[at];
}

static size_t find_key(const struct jb_usage *usage, const char *id, bool *ret_there)
{
	size_t from = 0, to = usage->key_count;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (strcmp(usage->keys[middle].id, id) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	*ret_there = from < usage->key_count && strcmp(usage->keys[from].id, id) == 0;
	return from;
}

static struct key *key_of(struct jb_usage *usage, const char *id)
{
	bool there;
	const size_t at = find_key(usage, id, &there);

	if (there)
		return &usage->keys[at];
	struct key *grown = reallocarray(usage->keys, usage->key_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	usage->keys = grown;
	memmove(&grown[at + 1], &grown[at], (usage->key_count++ - at) * sizeof(*grown));
	grown[at] = (struct key){0};
	memcpy(grown[at].id, id, sizeof(grown[at].id));
	return &grown[at];
}

static void arm(struct jb_usage *usage, unsigned ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	if (!event_pending(usage->due, EV_TIMEOUT, NULL))
		event_add(usage->due, &tv);
}

static bool is_unwritten(const struct host *host)
{
	return host->has_quota && host->count.calls > host->written;
}

/* Those that wait, as many as go into one write. 0 or an error; *ret_more: others wait too. */
static int write_calls(struct jb_usage *usage, bool *ret_more)
{
	struct jb_calls rows[BATCH];
	struct host *of[BATCH];
	size_t count = 0;

	for (size_t i = 0; i < usage->host_count; i++) {
		struct host *host = &usage->hosts[i];

		if (!is_unwritten(host))
			continue;
		*ret_more |= count == BATCH;
		if (count == BATCH)
			break;
		of[count] = host;
		rows[count++] = (struct jb_calls){host->name, host->count.day, host->count.calls - host->written};
	}
	const int r = count ? jb_store_calls_add(usage->store, rows, count) : 0;
	for (size_t i = 0; r == 0 && i < count; i++) /* what brokers that share the store counted is in it */
		of[i]->count.calls = of[i]->written = rows[i].calls;
	return r;
}

static int write_seen(struct jb_usage *usage, bool *ret_more)
{
	struct jb_secret_use uses[BATCH];
	struct key *of[BATCH];
	size_t count = 0;

	for (size_t i = 0; i < usage->key_count; i++) {
		struct key *key = &usage->keys[i];

		if (key->seen < key->written + SEEN_S)
			continue;
		*ret_more |= count == BATCH;
		if (count == BATCH)
			break;
		of[count] = key;
		uses[count].at = key->seen;
		memcpy(uses[count++].id, key->id, sizeof(key->id));
	}
	const int r = count ? jb_store_secret_used(usage->store, uses, count) : 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		of[i]->written = of[i]->seen;
	return r;
}

/* False: something could not be written. */
static bool write_all(struct jb_usage *usage, bool *ret_more)
{
	const bool good = write_calls(usage, ret_more) == 0 && write_seen(usage, ret_more) == 0;

	if (!good && !usage->failing)
		jit_log(LOG_WARNING, "calls and last uses of keys are not written for now: %s",
			jb_store_error(usage->store));
	usage->failing = !good;
	return good;
}

void jb_usage_write(struct jb_usage *usage)
{
	bool more = false;

	if (!write_all(usage, &more))
		arm(usage, WRITE_S * 1000);
	else if (more)
		arm(usage, BATCH_MS);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	jb_usage_write(arg);
}

/* What was counted before this process, or by another broker. Unread it counts from nothing, and is tried again. */
static void read_calls(struct jb_usage *usage, struct host *host, int64_t day)
{
	int64_t calls;

	if (host->count.day != day)
		host->written = 0;
	if (jb_store_calls(usage->store, host->name, day, &calls) < 0)
		return;
	host->count.calls = calls + (host->count.day == day ? host->count.calls - host->written : 0);
	host->count.day = host->read_day = day;
	host->written = calls;
}

enum jb_plan_verdict jb_usage_call(struct jb_usage *usage, const struct jb_plan_terms *terms, const char *name,
				   int64_t now, unsigned *ret_retry_after, bool *ret_tell)
{
	struct host *host = host_of(usage, name);

	*ret_tell = false;
	*ret_retry_after = 1;
	if (!host)
		return JB_PLAN_TOO_FAST;
	host->has_quota = terms->quota > 0;
	if (host->has_quota && host->read_day != jb_plan_day(now))
		read_calls(usage, host, jb_plan_day(now));
	const enum jb_plan_verdict verdict = jb_plan_take(terms, &host->count, jit_boottime_ms(), now, ret_retry_after);
	if (is_unwritten(host))
		arm(usage, WRITE_S * 1000);
	if (verdict != JB_PLAN_PASSES && (now >= host->told + TELL_S || now < host->told)) {
		host->told = now;
		*ret_tell = true;
	}
	return verdict;
}

void jb_usage_seen(struct jb_usage *usage, const char *secret, int64_t now)
{
	char id[JB_SECRET_ID_SIZE];
	struct key *key = jb_secret_key_id(secret, id) ? key_of(usage, id) : NULL;

	if (!key)
		return;
	key->seen = now;
	if (key->seen >= key->written + SEEN_S)
		arm(usage, WRITE_S * 1000);
}

struct jb_usage *jb_usage_new(struct event_base *base, struct jb_store *store)
{
	struct jb_usage *usage = calloc(1, sizeof(*usage));

	if (!usage)
		return NULL;
	usage->store = store;
	usage->due = evtimer_new(base, on_due, usage);
	if (!usage->due) {
		free(usage);
		return NULL;
	}
	return usage;
}

void jb_usage_free(struct jb_usage *usage)
{
	bool more;

	if (!usage)
		return;
	do
		more = false;
	while (write_all(usage, &more) && more);
	event_free(usage->due);
	for (size_t i = 0; i < usage->host_count; i++)
		free(usage->hosts[i].name);
	free(usage->hosts);
	free(usage->keys);
	free(usage);
}
