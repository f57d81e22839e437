/* See client_call.h. */
#include "client_call.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "client.h"
#include "fetch.h"
#include "filing.h"
#include "text.h"

#define TIMEOUT_MS 15000   /* of one call */
#define ANSWER_MAX 2097152 /* bytes; a list of 100 requests with long commands */

struct outcome {
	struct event_base *base;
	struct json_object **ret;
	const char *url;
	bool changes; /* something is to be decided, not only read */
	int status;
};

#define UNKNOWN "; it may have been decided all the same: look before you try again"

/* The broker's own sentence, made safe for a terminal. */
static void print_refusal(const struct jit_fetch_result *result, struct json_object *json)
{
	struct json_object *message = NULL;
	char text[1024];

	json_object_object_get_ex(json, "message", &message);
	jit_text_clean_str(text, sizeof(text), json_object_get_string(message));
	if (*text)
		fprintf(stderr, "jit-broker: %s\n", text);
	else
		fprintf(stderr, "jit-broker: the broker answered with status %ld\n", result->status);
}

static void on_done(void *arg, const struct jit_fetch_result *result)
{
	struct outcome *outcome = arg;
	struct json_object *json;

	event_base_loopbreak(outcome->base);
	outcome->status = JB_EXIT_UNAVAILABLE;
	if (result->fault != JIT_FETCH_OK) {
		fprintf(stderr, "jit-broker: the broker at %s cannot be asked: %s%s\n", outcome->url, result->why,
			outcome->changes && result->sent ? UNKNOWN : "");
		return;
	}
	json = jb_json_object(result->body, result->body_len);
	if (result->status == 200 && json) {
		*outcome->ret = json;
		outcome->status = JB_EXIT_OK;
		return;
	}
	if (result->status == 200) {
		fprintf(stderr, "jit-broker: the answer of the broker at %s makes no sense%s\n", outcome->url,
			outcome->changes ? UNKNOWN : "");
		return;
	}
	if (result->status >= 400 && result->status < 500 && result->status != 429)
		outcome->status = JB_EXIT_FAILED;
	print_refusal(result, json);
	json_object_put(json);
}

static int fetch(const struct jb_client_conf *conf, struct event_base *base, const char *path, const char *body,
		 struct outcome *outcome)
{
	const struct jit_fetch_options options = {.ca_file = conf->ca,
						  .connect_to = conf->connect_to,
						  .plain_loopback = true,
						  .user_agent = "jit-broker/" JIT_VERSION};
	const char *const headers[] = {conf->authorization, "Content-Type: application/json", NULL};
	struct jit_fetch *client = jit_fetch_new(base, &options);
	JIT_FREE char *url = NULL;

	/* A url is written with or without the slash at its end. */
	size_t len = strlen(conf->url);
	while (len && conf->url[len - 1] == '/')
		len--;
	if (client && asprintf(&url, "%.*s%s", (int)len, conf->url, path) >= 0) {
		const struct jit_fetch_request request = {
			.method = body ? "POST" : "GET",
			.url = url,
			.headers = headers,
			.body = body,
			.body_len = body ? strlen(body) : 0,
			.timeout_ms = TIMEOUT_MS,
			.max_body = ANSWER_MAX,
		};
		if (jit_fetch_start(client, &request, on_done, outcome))
			event_base_dispatch(base);
	}
	jit_fetch_free(client);
	return outcome->status;
}

int jb_client_call(const struct jb_client_conf *conf, const char *path, const char *body, struct json_object **ret)
{
	struct outcome outcome = {.ret = ret, .url = conf->url, .changes = body != NULL, .status = -1};

	outcome.base = event_base_new();
	if (outcome.base) {
		fetch(conf, outcome.base, path, body, &outcome);
		event_base_free(outcome.base);
	}
	if (outcome.status < 0) {
		fprintf(stderr, "jit-broker: out of memory\n");
		return JB_EXIT_UNAVAILABLE;
	}
	return outcome.status;
}
