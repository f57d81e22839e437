/* See fetch.h. */
#include "fetch.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "curlloop.h"
#include "curlmem.h"
#include "fetch_fault.h"

#define CONNECT_MS	  5000L
#define IDLE_CONNECTION_S 600L /* how long a kept-alive connection may lie idle and still be tried */

struct jit_fetch {
	struct jit_curlloop *loop;
	struct jit_fetch_call *calls; /* doubly linked, so that free can end them all */
	char *ca_file;
	char *user_agent;
	struct curl_slist *connect_to;
	struct curl_blob certificate, certificate_key; /* data NULL: none */
	bool plain_loopback, plain_metadata;
	bool (*useless)(void *arg, const char *url, const struct jit_fetch_result *result);
	void *useless_arg;
};

struct jit_fetch_call {
	struct jit_fetch *fetch;
	struct jit_fetch_call *prev, *next;
	CURL *easy;
	struct curl_slist *headers;
	char *urls[JIT_FETCH_ADDRESSES];
	size_t url_count, at; /* which of them is tried */
	bool sent;
	char tried[512]; /* those that were of no use */
	char *body;
	size_t body_len;
	size_t max_body;
	bool too_large;
	bool secret;  /* where the answer lies: in the secure heap, or not */
	char *answer; /* wiped either way */
	size_t answer_len;
	char error[CURL_ERROR_SIZE];
	CURLcode setup; /* first option that failed */
	char *unable;	/* why it is not to be sent */
	jit_fetch_done done;
	void *arg;
};

/* Header lines can carry keys: they lie in OpenSSL's secure heap where the program has made one. */
static void headers_free(struct curl_slist *line)
{
	while (line) {
		struct curl_slist *next = line->next;

		OPENSSL_secure_clear_free(line->data, strlen(line->data) + 1);
		free(line);
		line = next;
	}
}

static char *answer_new(const struct jit_fetch_call *call, size_t size)
{
	return call->secret ? OPENSSL_secure_malloc(size) : malloc(size);
}

static void answer_free(struct jit_fetch_call *call)
{
	if (!call->answer)
		return;
	OPENSSL_cleanse(call->answer, call->answer_len);
	if (call->secret)
		OPENSSL_secure_free(call->answer);
	else
		free(call->answer);
	call->answer = NULL;
	call->answer_len = 0;
}

static void call_free(struct jit_fetch_call *call)
{
	if (!call)
		return;
	if (call->prev)
		call->prev->next = call->next;
	else if (call->fetch->calls == call)
		call->fetch->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	if (call->easy) {
		jit_curlloop_remove(call->fetch->loop, call->easy);
		curl_easy_cleanup(call->easy);
	}
	headers_free(call->headers);
	/* Bodies can carry a token; the answer of STS carries credentials. */
	if (call->body)
		explicit_bzero(call->body, call->body_len);
	answer_free(call);
	for (size_t i = 0; i < call->url_count; i++)
		free(call->urls[i]);
	free(call->body);
	free(call->unable);
	free(call);
}

static void urlp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_textp(char **text)
{
	curl_free(*text);
}

/* Plain http is for a broker or an STS on this very machine. libcurl's own parser says which host it will ask. */
bool jit_fetch_is_plain_loopback(const char *text)
{
	static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
	JIT_CLEANUP(urlp) CURLU *url = curl_url();
	JIT_CLEANUP(curl_textp) char *scheme = NULL;
	JIT_CLEANUP(curl_textp) char *host = NULL;

	if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || strcmp(scheme, "http") != 0)
		return false;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (strcmp(host, hosts[i]) == 0)
			return true;
	return false;
}

static bool is_metadata(const char *url)
{
	static const char *const known[] = {JIT_FETCH_METADATA "/", JIT_FETCH_CONTAINER "/", JIT_FETCH_POD "/",
					    JIT_FETCH_POD_6 "/"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(url, known[i], strlen(known[i])) == 0)
			return true;
	return false;
}

static void set(struct jit_fetch_call *call, CURLcode code)
{
	if (call->setup == CURLE_OK)
		call->setup = code;
}

/* What is not sent as it must be fails in the loop like any other fault: it gets no address. */
static void set_address(struct jit_fetch_call *call)
{
	const char *url = call->urls[call->at];
	bool plain = (call->fetch->plain_loopback && jit_fetch_is_plain_loopback(url)) ||
		     (call->fetch->plain_metadata && is_metadata(url));

	set(call, curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https"));
	set(call, curl_easy_setopt(call->easy, CURLOPT_URL, url));
	if (call->setup != CURLE_OK)
		curl_easy_setopt(call->easy, CURLOPT_URL, "");
}

static int64_t date_of(CURL *easy)
{
	struct curl_header *header;

	if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return 0;
	const time_t date = curl_getdate(header->value, NULL);
	return date > 0 ? date : 0;
}

static void read_result(struct jit_fetch_call *call, CURLcode code, struct jit_fetch_result *ret)
{
	struct jit_fetch_result result = {.body = call->answer ? call->answer : "", .body_len = call->answer_len};
	curl_off_t retry_after = 0, sent_after = 0;
	const char *type = NULL;

	result.fault = call->too_large ? JIT_FETCH_TOO_LARGE : jit_fetch_fault_of(code);
	if (jit_fetch_alert(code, call->error, sizeof(call->error)))
		result.fault = JIT_FETCH_TLS;
	result.why = call->unable ? call->unable : jit_fetch_why(result.fault, code, call->easy, call->error);
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &result.status);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &result.connections);
	curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after);
	result.content_type = type ? type : "";
	result.date = date_of(call->easy);
	result.retry_after = retry_after > 3600 ? 3600 : (long)retry_after;
	result.silent = jit_fetch_silent(result.fault, code, result.status);
	if (result.fault != JIT_FETCH_OK)
		result.status = 0;
	call->sent |= sent_after > 0;
	result.sent = call->sent;
	result.tried = "";
	*ret = result;
}

/* "https://a:8443: connection refused; …" */
static void note_try(struct jit_fetch_call *call, const struct jit_fetch_result *result)
{
	const char *url = call->urls[call->at], *host = strstr(url, "://");
	size_t origin = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : strlen(url);
	size_t used = strlen(call->tried);
	char status[32];

	snprintf(status, sizeof(status), "HTTP status %ld", result->status);
	snprintf(call->tried + used, sizeof(call->tried) - used, "%s%.*s: %s", used ? "; " : "", (int)origin, url,
		 result->fault == JIT_FETCH_OK ? status : result->why);
}

/* The same call at its next address. False: it could not be sent there. */
static bool go_on(struct jit_fetch_call *call)
{
	if (call->at + 1 >= call->url_count || jit_curlloop_remove(call->fetch->loop, call->easy) < 0)
		return false;
	answer_free(call);
	call->too_large = false;
	call->error[0] = '\0';
	call->at++;
	set_address(call);
	return jit_curlloop_add(call->fetch->loop, call->easy) == 0;
}

static void finish(struct jit_fetch_call *call, CURLcode code)
{
	struct jit_fetch *fetch = call->fetch;
	struct jit_fetch_result result;

	read_result(call, code, &result);
	if (fetch->useless && fetch->useless(fetch->useless_arg, call->urls[call->at], &result)) {
		note_try(call, &result);
		if (go_on(call))
			return;
		if (!call->answer) {
			result.body = "";
			result.body_len = 0;
		}
		if (call->url_count > 1)
			result.tried = call->tried;
	}
	/* The callback may cancel others, start new calls, even free the client's owner: call last, on a call of its
	 * own. */
	call->done(call->arg, &result);
	call_free(call);
}

static void on_done(CURL *easy, CURLcode code)
{
	struct jit_fetch_call *call = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
	finish(call, code);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct jit_fetch_call *call = arg;
	size_t len = size * count;

	if (len > call->max_body - call->answer_len) {
		call->too_large = true;
		return 0;
	}
	char *grown = answer_new(call, call->answer_len + len + 1);
	if (!grown)
		return 0;
	size_t had = call->answer_len;
	if (call->answer) { /* no realloc: it would leave a copy behind that nobody wipes */
		memcpy(grown, call->answer, had);
		answer_free(call);
	}
	memcpy(grown + had, data, len);
	call->answer = grown;
	call->answer_len = had + len;
	call->answer[call->answer_len] = '\0';
	return len;
}

/* What came in a record is an answer's, and may be credentials: it does not stay in the connection's memory. */
static CURLcode wipe_records(CURL *easy, void *tls, void *arg)
{
	(void)easy;
	(void)arg;
	SSL_CTX_set_options(tls, SSL_OP_CLEANSE_PLAINTEXT);
	return CURLE_OK;
}

static void set_transport(struct jit_fetch_call *call, const struct jit_fetch_request *request)
{
	const struct jit_fetch *fetch = call->fetch;
	CURL *easy = call->easy;

	set(call, curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
	set(call, curl_easy_setopt(easy, CURLOPT_PROXY, ""));
	set(call, curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED));
	set(call, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L));
	set(call, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L));
	set(call, curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
	set(call, curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, wipe_records));
	if (fetch->ca_file) {
		set(call, curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->ca_file));
		set(call, curl_easy_setopt(easy, CURLOPT_CAPATH, NULL));
	}
	if (fetch->connect_to)
		set(call, curl_easy_setopt(easy, CURLOPT_CONNECT_TO, fetch->connect_to));
	if (fetch->certificate.data) {
		set(call, curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &fetch->certificate));
		set(call, curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &fetch->certificate_key));
	}
	set(call, curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
	set(call, curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L));
	set(call, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Names are resolved in a thread. Without this a call that times out would wait for it, and with it everybody,
	 * for as long as the name server is silent. Forgotten, the thread ends by itself. */
	set(call, curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
#endif
	set(call, curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S));
	set(call,
	    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, request->connect_ms ? request->connect_ms : CONNECT_MS));
	/* It copies each request there and keeps it: small, since it is locked memory (curlmem.h). */
	set(call, curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L));
	set(call, curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms));
	set(call, curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error));
	set(call, curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body));
	set(call, curl_easy_setopt(easy, CURLOPT_WRITEDATA, call));
	set(call, curl_easy_setopt(easy, CURLOPT_PRIVATE, call));
}

static void add_header(struct jit_fetch_call *call, const char *text)
{
	struct curl_slist *line = calloc(1, sizeof(*line)), **end = &call->headers;
	size_t size = strlen(text) + 1;
	char *data = OPENSSL_secure_malloc(size);

	if (!line || !data) {
		free(line);
		OPENSSL_secure_free(data);
		set(call, CURLE_OUT_OF_MEMORY);
		return;
	}
	memcpy(data, text, size);
	line->data = data;
	while (*end)
		end = &(*end)->next;
	*end = line;
}

static void set_message(struct jit_fetch_call *call, const struct jit_fetch_request *request)
{
	CURL *easy = call->easy;

	if (call->fetch->user_agent)
		set(call, curl_easy_setopt(easy, CURLOPT_USERAGENT, call->fetch->user_agent));
	for (const char *const *line = request->headers; line && *line; line++)
		add_header(call, *line);
	if (request->sigv4) {
		/* An Expect line would be signed wrongly by libcurl before 7.89; libcurl sends none below 1 MiB. */
		set(call, curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, request->sigv4));
		set(call, jit_curlmem_login_pair(easy, request->sigv4_key));
	} else {
		add_header(call, "Expect:");
	}
	if (call->body) {
		set(call, curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)call->body_len));
		set(call, curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body));
	}
	set(call, curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method));
	set(call, curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers));
}

static int copy_body(struct jit_fetch_call *call, const struct jit_fetch_request *request)
{
	if (!request->body && strcmp(request->method, "POST") != 0)
		return 0;
	call->body = malloc(request->body_len + 1);
	if (!call->body)
		return -1;
	if (request->body)
		memcpy(call->body, request->body, request->body_len);
	call->body[request->body_len] = '\0';
	call->body_len = request->body_len;
	return 0;
}

static int copy_urls(struct jit_fetch_call *call, const struct jit_fetch_request *request)
{
	const char *const *more = request->elsewhere;

	for (const char *url = request->url; url && call->url_count < JIT_FETCH_ADDRESSES;
	     url = more ? *more++ : NULL) {
		if (!(call->urls[call->url_count] = strdup(url)))
			return -1;
		call->url_count++;
	}
	return 0;
}

struct jit_fetch_call *jit_fetch_start(struct jit_fetch *fetch, const struct jit_fetch_request *request,
				       jit_fetch_done done, void *arg)
{
	struct jit_fetch_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->fetch = fetch;
	call->max_body = request->max_body;
	call->secret = request->secret;
	call->done = done;
	call->arg = arg;
	call->unable = request->unable ? strdup(request->unable) : NULL;
	set(call, request->unable ? CURLE_FAILED_INIT : CURLE_OK);
	call->easy = curl_easy_init();
	if (!call->easy || (request->unable && !call->unable) || copy_body(call, request) < 0 ||
	    copy_urls(call, request) < 0) {
		call_free(call);
		return NULL;
	}
	set_transport(call, request);
	set_message(call, request);
	set_address(call);
	if (jit_curlloop_add(fetch->loop, call->easy) < 0) {
		call_free(call);
		return NULL;
	}
	call->next = fetch->calls;
	if (call->next)
		call->next->prev = call;
	fetch->calls = call;
	return call;
}

void jit_fetch_cancel(struct jit_fetch_call *call)
{
	call_free(call);
}

/* libcurl looks at it where it lies: a copy of the key would be one more to wipe. */
static struct curl_blob blob_of(const char *text)
{
	return (struct curl_blob){.data = (void *)(uintptr_t)text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};
}

/* Every name and port there: "::127.0.0.1:8443". NULL: out of memory. */
static struct curl_slist *lead_to(const char *address)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "::%s", address);

	return n > 0 && (size_t)n < sizeof(line) ? curl_slist_append(NULL, line) : NULL;
}

struct jit_fetch *jit_fetch_new(struct event_base *base, const struct jit_fetch_options *options)
{
	struct jit_fetch *fetch = calloc(1, sizeof(*fetch));

	if (!fetch)
		return NULL;
	fetch->plain_loopback = options->plain_loopback;
	fetch->plain_metadata = options->plain_metadata;
	fetch->useless = options->useless;
	fetch->useless_arg = options->useless_arg;
	fetch->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	if (options->certificate) {
		fetch->certificate = blob_of(options->certificate);
		fetch->certificate_key = blob_of(options->certificate_key);
	}
	fetch->user_agent = options->user_agent ? strdup(options->user_agent) : NULL;
	fetch->connect_to = options->connect_to ? lead_to(options->connect_to) : NULL;
	fetch->loop = jit_curlloop_new(base, on_done);
	if (!fetch->loop || (options->ca_file && !fetch->ca_file) || (options->user_agent && !fetch->user_agent) ||
	    (options->connect_to && !fetch->connect_to)) {
		jit_fetch_free(fetch);
		return NULL;
	}
	return fetch;
}

void jit_fetch_free(struct jit_fetch *fetch)
{
	if (!fetch)
		return;
	for (struct jit_fetch_call *call = fetch->calls, *next; call; call = next) {
		next = call->next;
		call_free(call);
	}
	jit_curlloop_free(fetch->loop);
	curl_slist_free_all(fetch->connect_to);
	free(fetch->ca_file);
	free(fetch->user_agent);
	free(fetch);
}
