/* See calls.h. What the linker puts in another function's place it calls __wrap_, and that function __real_. */
#include "calls.h"

#include <sys/queue.h>

struct jit_fetch_call {
	TAILQ_ENTRY(jit_fetch_call) link;
	struct jit_fetch *fetch;
	struct fuzz_call what;
	jit_fetch_done done;
	void *arg;
};

static TAILQ_HEAD(calls, jit_fetch_call) calls = TAILQ_HEAD_INITIALIZER(calls);

struct jit_fetch_call *__wrap_jit_fetch_start(struct jit_fetch *fetch, const struct jit_fetch_request *request,
					      jit_fetch_done done, void *arg);
void __wrap_jit_fetch_cancel(struct jit_fetch_call *call);
void __real_jit_fetch_free(struct jit_fetch *fetch);
void __wrap_jit_fetch_free(struct jit_fetch *fetch);

/* A line that a header is sent as is one line. */
static char *join(const char *const *headers)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	FUZZ_CHECK(out);
	for (; headers && *headers; headers++) {
		for (const char *at = *headers; *at; at++)
			FUZZ_CHECK((uint8_t)*at >= ' ' && (uint8_t)*at < 0x7f);
		fprintf(out, "%s\n", *headers);
	}
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

static void call_free(struct jit_fetch_call *call)
{
	free(call->what.method);
	free(call->what.url);
	free(call->what.headers);
	free(call->what.body);
	free(call);
}

struct jit_fetch_call *__wrap_jit_fetch_start(struct jit_fetch *fetch, const struct jit_fetch_request *request,
					      jit_fetch_done done, void *arg)
{
	struct jit_fetch_call *call = calloc(1, sizeof(*call));

	FUZZ_CHECK(call && request->timeout_ms > 0 && request->max_body > 0);
	for (const char *at = request->url; *at; at++)
		FUZZ_CHECK((uint8_t)*at > ' ' && (uint8_t)*at < 0x7f);
	call->fetch = fetch;
	call->done = done;
	call->arg = arg;
	call->what = (struct fuzz_call){.method = strdup(request->method),
					.url = strdup(request->url),
					.headers = join(request->headers),
					.body = request->body ? strndup(request->body, request->body_len) : NULL};
	TAILQ_INSERT_TAIL(&calls, call, link);
	return call;
}

void __wrap_jit_fetch_cancel(struct jit_fetch_call *call)
{
	if (!call)
		return;
	TAILQ_REMOVE(&calls, call, link);
	call_free(call);
}

void __wrap_jit_fetch_free(struct jit_fetch *fetch)
{
	struct jit_fetch_call *call = TAILQ_FIRST(&calls), *next;

	for (; call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->fetch == fetch)
			__wrap_jit_fetch_cancel(call);
	}
	__real_jit_fetch_free(fetch);
}

const struct fuzz_call *fuzz_fetch_first(void)
{
	const struct jit_fetch_call *call = TAILQ_FIRST(&calls);

	return call ? &call->what : NULL;
}

void fuzz_fetch_outcome(char letter, struct jit_fetch_result *ret)
{
	static const struct {
		char letter;
		long status;
		int64_t date;
	} statuses[] = {{'2', 200, 0}, {'d', 200, FUZZ_DATE}, {'3', 302, 0}, {'4', 404, 0},
			{'n', 403, 0}, {'b', 400, 0},	      {'9', 429, 0}, {'5', 500, 0}};

	*ret = (struct jit_fetch_result){.fault = JIT_FETCH_BROKEN,
					 .why = "the connection broke",
					 .content_type = "",
					 .tried = "",
					 .sent = true};
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].letter == letter)
			*ret = (struct jit_fetch_result){.status = statuses[i].status,
							 .why = "",
							 .content_type = "application/json",
							 .date = statuses[i].date,
							 .tried = "",
							 .sent = true};
}

bool fuzz_fetch_answer(struct fuzz_input *in)
{
	struct jit_fetch_call *call = TAILQ_FIRST(&calls);
	struct jit_fetch_result result;
	size_t len;

	if (!call)
		return false;
	TAILQ_REMOVE(&calls, call, link); /* whoever hears of it knows that it is gone */
	fuzz_fetch_outcome((char)fuzz_byte(in), &result);
	char *body = fuzz_part(in, &len);
	result.body = result.fault == JIT_FETCH_OK ? body : "";
	result.body_len = result.fault == JIT_FETCH_OK ? len : 0;
	call->done(call->arg, &result);
	free(body);
	call_free(call);
	return true;
}
