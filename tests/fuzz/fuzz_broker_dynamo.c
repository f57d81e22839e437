/*
 * What DynamoDB answers to each call of the store: whatever it is, the call ends, in its form. A request is whole, and
 * the same when it is written again; a key, a session, a message has what it needs; a chain that is found to be whole
 * is one. Each call of libcurl that would leave is answered by the input (store_dynamo's own and dynamo's code runs as
 * ever); a letter says which operation of the store asks, then for each answer one how it went, and its body up to the
 * next 0x1e.
 */
#include <curl/curl.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <time.h>

#include "audit.h"
#include "conf.h"
#include "fuzz.h"
#include "json.h"
#include "outbox.h"
#include "secret.h"
#include "store_dynamo.h"
#include "text.h"

#define ID     "0b6c1f6e-0000-4000-8000-000000000001"
#define SECRET "jitk_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define NOW    ((int64_t)1795363200)
#define CALLS  200 /* answers of one input: somebody who is never satisfied asks for ever */

static struct fuzz_input in;
static unsigned calls;
static curl_write_callback on_body;
static void *on_body_arg;
static long status;

/* What the linker puts in another function's place it calls __wrap_, and that function __real_. */
CURLcode __real_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode __real_curl_easy_getinfo(CURL *easy, CURLINFO info, ...);
CURLcode __wrap_curl_easy_getinfo(CURL *easy, CURLINFO info, ...);
CURLcode __wrap_curl_easy_perform(CURL *easy);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);

CURLcode __wrap_curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	va_list ap;

	va_start(ap, option);
	void *value = va_arg(ap, void *); /* as long as a long is */
	va_end(ap);
	if (option == CURLOPT_WRITEFUNCTION)
		memcpy(&on_body, &value, sizeof(on_body));
	if (option == CURLOPT_WRITEDATA)
		on_body_arg = value;
	return __real_curl_easy_setopt(easy, option, value);
}

CURLcode __wrap_curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
	va_list ap;

	va_start(ap, info);
	void *value = va_arg(ap, void *);
	va_end(ap);
	if (info != CURLINFO_RESPONSE_CODE)
		return __real_curl_easy_getinfo(easy, info, value);
	*(long *)value = status;
	return CURLE_OK;
}

CURLcode __wrap_curl_easy_perform(CURL *easy)
{
	const char letter = (char)fuzz_byte(&in);
	size_t len;

	(void)easy;
	status = letter == '2' ? 200 : letter == '5' ? 500 : 400;
	if (++calls > CALLS || !letter || letter == 'x')
		return CURLE_RECV_ERROR;
	char *body = fuzz_part(&in, &len);
	const bool taken = !len || on_body(body, 1, len, on_body_arg) == len;
	free(body);
	return taken ? CURLE_OK : CURLE_WRITE_ERROR;
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
	FUZZ_CHECK(pause->tv_sec == 0);
	(void)left;
	return 0;
}

/* The description of the table as it must be. */
static const char *table(void)
{
	static const char *const names[] = {"host", "filer", "feed", "shortId", "list", "unsealed"};
	static char text[1024];

	snprintf(text, sizeof(text),
		 "2{\"Table\":{\"TableStatus\":\"ACTIVE\",\"GlobalSecondaryIndexes\":["
		 "{\"IndexName\":\"open\",\"Projection\":{\"ProjectionType\":\"ALL\"}}");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",{\"IndexName\":\"%s\"}", names[i]);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}}\x1e");
	return text;
}

static struct jb_store *open_store(void)
{
	static char store[] = "dynamodb:t", region[] = "eu-west-1", credentials[] = "environment";
	const struct jb_conf conf = {.store = store, .store_region = region, .store_credentials = credentials};
	char why[512] = "";
	struct jb_store *opened = jb_ddb_open(&conf, why, sizeof(why));

	FUZZ_CHECK(opened || why[0]);
	return opened;
}

static void check_clean(const char *text)
{
	char clean[1024];

	FUZZ_CHECK(text && *text);
	jit_text_clean_str(clean, sizeof(clean), text);
	FUZZ_CHECK(strcmp(clean, text) == 0);
}

static char *text_of(const struct jb_request *request)
{
	JIT_JSON json_object *json = jb_request_to_json(request);
	char *text = json ? strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN)) : NULL;

	FUZZ_CHECK(text);
	return text;
}

static void check_request(const struct jb_request *request)
{
	char *text = text_of(request);
	JIT_JSON json_object *json = json_tokener_parse(text);
	struct jb_request *again = jb_request_from_json(json);

	FUZZ_CHECK(request->id[0] && request->short_id[0] && request->host && request->requester && request->role);
	FUZZ_CHECK(request->version > 0 && request->duration > 0 && jb_status_name(request->status));
	FUZZ_CHECK(again);
	char *same = text_of(again);
	FUZZ_CHECK(strcmp(text, same) == 0);
	free(same);
	free(text);
	jb_request_free(again);
}

static void on_news(void *arg, const struct jb_request *request)
{
	(void)arg;
	check_request(request);
}

static int take_request(int r, struct jb_request *request)
{
	if (r == 0) {
		check_request(request);
		jb_request_free(request);
	}
	return r;
}

static void free_requests(struct jb_request **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check_request(list[i]);
		jb_request_free(list[i]);
	}
	free(list);
}

static int find(struct jb_store *store, const struct jb_query *query)
{
	struct jb_request **list;
	size_t count;
	int r = jb_store_find(store, query, &list, &count);

	if (r == 0)
		free_requests(list, count);
	return r;
}

static int changes(struct jb_store *store, int64_t after)
{
	struct jb_changes found;
	int r = jb_store_changes(store, "web-1", after, 10, &found);

	if (r == 0)
		free_requests(found.request, found.count);
	return r;
}

/* Nobody's but who has what the hash is of. */
static int check_secret(struct jb_store *store, const char *answers)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[32];
	char owner[64] = "", hex[65] = "";
	int r = jb_store_secret_check(store, "host", SECRET, owner, sizeof(owner));

	SHA256((const uint8_t *)SECRET, strlen(SECRET), hash);
	for (size_t i = 0; i < sizeof(hash); i++) {
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	FUZZ_CHECK(r != 0 || (*answers && strstr(answers, hex) && strstr(answers, "\"kind\"")));
	return r;
}

static void on_secret(void *arg, const struct jb_secret_row *row)
{
	(void)arg;
	FUZZ_CHECK(row->id && row->owner && strlen(row->id) < 100000);
}

static void on_session(void *arg, const struct jb_session_row *row)
{
	(void)arg;
	FUZZ_CHECK(strnlen(row->id, sizeof(row->id)) < sizeof(row->id));
	FUZZ_CHECK(strnlen(row->person, sizeof(row->person)) < sizeof(row->person));
	FUZZ_CHECK(strnlen(row->hash, sizeof(row->hash)) < sizeof(row->hash));
}

static int get_session(struct jb_store *store)
{
	struct jb_session_row row;
	int r = jb_store_session_get(store, "0123456789abcdef", &row);

	if (r == 0)
		on_session(NULL, &row);
	return r;
}

static int take_rows(int r, struct jb_outbox_rows *rows)
{
	if (r < 0)
		return r;
	for (size_t i = 0; i < rows->count; i++) {
		const struct jb_notice *n = &rows->row[i].notice;
		FUZZ_CHECK(n->channel && n->receiver && n->about && n->event && n->doc && n->id[0]);
	}
	jb_outbox_rows_clear(rows);
	return r;
}

static void on_channel(void *arg, const char *channel, size_t waiting, int64_t oldest)
{
	(void)arg;
	(void)oldest;
	FUZZ_CHECK(channel && waiting);
}

/* Of a whole chain each record stands where it should, and its hash is that of the one before it and its text. */
struct link {
	int64_t seq;
	char prev[65];
};

static int on_record(void *arg, int64_t seq, const char *text, const char *hash)
{
	struct link *link = arg;
	const struct jb_audit_row row = {.seq = seq, .text = text, .len = strlen(text), .hash = hash};

	FUZZ_CHECK(seq == ++link->seq && !jb_audit_flaw(&row, seq, link->prev));
	memcpy(link->prev, hash, sizeof(link->prev));
	return 0;
}

static int walk(struct jb_store *store)
{
	struct link link = {.prev = JB_AUDIT_FIRST};
	struct jb_audit_break where = {0};
	int r = jb_store_audit_walk(store, on_record, &link, &where);

	FUZZ_CHECK(r == 0 || (where.why && where.seq > 0));
	return r;
}

static void on_shown(void *arg, int64_t seq, const char *json)
{
	FUZZ_CHECK(seq > *(int64_t *)arg && *json);
	*(int64_t *)arg = seq;
}

static struct jb_request *make(void)
{
	struct jb_request *r = jb_request_new();

	FUZZ_CHECK(r);
	memcpy(r->id, ID, sizeof(r->id));
	memcpy(r->short_id, "R7KD-2M9Q", 10);
	r->version = 1;
	r->host = strdup("web-1");
	r->requester = strdup("op1");
	r->role = strdup("admin");
	r->duration = 900;
	r->requested_at = NOW;
	r->pending_until = NOW + 300;
	return r;
}

/* What was not written is as it was before. */
static int write_request(struct jb_store *store, bool is_new)
{
	const struct jb_audit audit = {.at = NOW, .action = "request.filed", .actor = "op1", .request_id = ID};
	struct jb_request *request = make();
	char *before = text_of(request);
	int r = is_new ? jb_store_insert(store, request, true, &audit) : jb_store_update(store, request, true, &audit);
	char *after = text_of(request);

	FUZZ_CHECK(r == 0 || strcmp(before, after) == 0);
	free(before);
	free(after);
	jb_request_free(request);
	return r;
}

static int add_key(struct jb_store *store)
{
	char made[JB_SECRET_SIZE] = "", id[JB_SECRET_ID_SIZE];
	int r = jb_store_secret_add(store, "host", "web-1", NOW, made, sizeof(made));

	FUZZ_CHECK(r == 0 ? jb_secret_key_id(made, id) : !made[0]);
	return r;
}

static int count_all(struct jb_store *store)
{
	const struct jb_query query = {.host = "web-1", .requester = "op1", .open_only = true, .status = -1};
	size_t count;

	return jb_store_count(store, &query, &count);
}

static int look_after(struct jb_store *store)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < 3; i++)
		r = jb_store_attend(store, on_news, NULL);
	return r;
}

static int run(struct jb_store *store, char letter)
{
	const struct jb_query all = {.status = -1, .limit = 5}, text = {.status = -1, .text = "web", .host = "web-1"},
			      due = {.status = -1, .due_until = NOW};
	const struct jb_audit audit = {.at = NOW, .action = "event.local", .actor = "host:web-1", .detail = "{}"};
	struct jb_calls row = {.host = "web-1", .day = 20000, .calls = 3};
	struct jb_outbox_rows rows = {0};
	struct jb_request *request = NULL;
	int64_t number = 0;
	size_t count;

	switch (letter) {
	case 'g':
		return take_request(jb_store_get(store, ID, &request), request);
	case 's':
		return take_request(jb_store_get(store, "R7KD-2M9Q", &request), request);
	case 'i':
		return take_request(jb_store_get_idempotent(store, "web-1", "key", &request), request);
	case 'f':
		return find(store, &all);
	case 't':
		return find(store, &text);
	case 'd':
		return find(store, &due);
	case 'c':
		return changes(store, -1);
	case 'C':
		return changes(store, NOW * 1000 << JB_DDB_STAMP_BITS);
	case 'n':
		return jb_store_next_due(store, &number);
	case 'N':
		return count_all(store);
	case 'w':
		return write_request(store, true);
	case 'u':
		return write_request(store, false);
	case 'k':
		return check_secret(store, (const char *)in.at);
	case 'K':
		return add_key(store);
	case 'l':
		return jb_store_secret_list(store, "host", on_secret, NULL);
	case 'r':
		return jb_store_secret_revoke(store, "host", "0123456789abcdef", NOW);
	case 'p':
		return get_session(store);
	case 'P':
		return jb_store_session_list(store, NULL, on_session, NULL);
	case 'q':
		return jb_store_session_prune(store, NOW, NOW);
	case 'e':
		return jb_store_session_end(store, "0123456789abcdef", "appr1", NOW);
	case 'v':
		return jb_store_event(store, "web-1", ID, NOW + 60, &audit);
	case 'a':
		return walk(store);
	case 'A':
		return jb_store_audit_read(store, 0, 10, on_shown, &number);
	case 'L':
		return jb_store_audit_last(store, &number);
	case 'W':
		return jb_store_audit_waiting(store, &count, &number);
	case 'h':
		return jb_store_last_heard(store, "web-1", &number);
	case 'H':
		return jb_store_heard(store, "web-1", NOW);
	case 'm':
		return jb_store_calls_add(store, &row, 1);
	case 'o':
		return take_rows(jb_outbox_next(store, "webhook:chat", 10, &rows), &rows);
	case 'O':
		return take_rows(jb_outbox_list(store, 0, 10, &rows), &rows);
	case 'j':
		return jb_outbox_channels(store, on_channel, NULL);
	case 'J':
		return jb_outbox_hurry(store, "webhook:chat", NOW);
	default:
		return look_after(store);
	}
}

static struct jb_store *start(void)
{
	fuzz_be_a_function();
	in = (struct fuzz_input){(const uint8_t *)table(), strlen(table())};
	struct jb_store *store = open_store();
	FUZZ_CHECK(store);
	return store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *whole = fuzz_all(data, size), letter;

	calls = 0;
	struct jb_store *store = start();
	in = (struct fuzz_input){(const uint8_t *)whole, size};
	letter = (char)fuzz_byte(&in);
	if (letter == 'T') {
		jb_store_close(store);
		store = open_store();
	} else if (run(store, letter) == -EIO) {
		check_clean(jb_store_error(store));
	}
	in = (struct fuzz_input){0}; /* what is said in parting is not answered */
	jb_store_close(store);
	free(whole);
	return 0;
}
