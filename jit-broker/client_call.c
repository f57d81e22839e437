/* See client_call.h. */
#include "client_call.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "client.h"
#include "fetch.h"
#include "filing.h"
#include "inifile.h"
#include "safefile.h"
#include "text.h"

#define CONF_FILE  ".config/jit-broker/client.conf"
#define TOKEN_MAX  512	   /* bytes */
#define TIMEOUT_MS 15000   /* of one call */
#define ANSWER_MAX 2097152 /* bytes; a list of 100 requests with long commands */

static const char *home(void)
{
	const char *dir = getenv("HOME");
	const struct passwd *pw = dir && *dir == '/' ? NULL : getpwuid(getuid());

	return pw ? pw->pw_dir : dir;
}

static bool on_key(void *arg, const char *section, const char *name, const char *value, unsigned line, char *why,
		   size_t why_size)
{
	struct jb_client_conf *conf = arg;
	const struct {
		const char *name;
		char **field;
	} keys[] = {{"url", &conf->url}, {"ca", &conf->ca}, {"token_file", &conf->token_file}};

	(void)line;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !*section; i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (!*keys[i].field) /* the command line comes first */
			*keys[i].field = strdup(value);
		return true;
	}
	snprintf(why, why_size, "'%s' is not known here; the keys are url, ca and token_file, without a section", name);
	return false;
}

static void on_error(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "jit-broker: %s\n", message);
}

int jb_client_conf_complete(struct jb_client_conf *conf)
{
	const char *dir = home();
	JIT_FREE char *path = NULL;

	if (asprintf(&path, "%s/" CONF_FILE, dir ? dir : "") < 0)
		path = NULL;
	if (path && access(path, F_OK) == 0 && jit_ini_read(path, false, on_key, on_error, conf) > 0)
		return -1;
	if (conf->url && conf->token_file)
		return 0;
	fprintf(stderr,
		"jit-broker: give --url and --token-file, or write url and token_file (and ca) into ~/" CONF_FILE "\n");
	return -1;
}

void jb_client_conf_clear(struct jb_client_conf *conf)
{
	free(conf->url);
	free(conf->ca);
	free(conf->token_file);
	*conf = (struct jb_client_conf){0};
}

/* "Authorization: Bearer …" in buf. 0 or -1 with a sentence printed. */
static int read_token(const char *path, char *buf, size_t size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = TOKEN_MAX};
	char why[512], *text;
	size_t len;

	if (jit_file_read(path, &rule, &text, &len, why, sizeof(why)) < 0) {
		fprintf(stderr, "jit-broker: %s\n", why);
		return -1;
	}
	size_t end = strcspn(text, " \t\r\n");
	bool ok = end > 0 && text[end + strspn(text + end, " \t\r\n")] == '\0';
	if (ok)
		snprintf(buf, size, "Authorization: Bearer %.*s", (int)end, text);
	else
		fprintf(stderr, "jit-broker: %s must hold an approver's token and nothing else\n", path);
	explicit_bzero(text, len);
	free(text);
	return ok ? 0 : -1;
}

struct outcome {
	struct event_base *base;
	struct json_object **ret;
	const char *url;
	int status;
};

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
		fprintf(stderr, "jit-broker: the broker at %s cannot be asked: %s\n", outcome->url, result->why);
		return;
	}
	json = jb_json_object(result->body, result->body_len);
	if (result->status == 200 && json) {
		*outcome->ret = json;
		outcome->status = JB_EXIT_OK;
		return;
	}
	if (result->status >= 400 && result->status < 500 && result->status != 429)
		outcome->status = JB_EXIT_FAILED;
	print_refusal(result, json);
	json_object_put(json);
}

static int fetch(const struct jb_client_conf *conf, struct event_base *base, const char *authorization,
		 const char *path, const char *body, struct outcome *outcome)
{
	const struct jit_fetch_options options = {
		.ca_file = conf->ca, .plain_loopback = true, .user_agent = "jit-broker/" JIT_VERSION};
	const char *const headers[] = {authorization, "Content-Type: application/json", NULL};
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
	char authorization[TOKEN_MAX + 32];
	struct outcome outcome = {.ret = ret, .url = conf->url, .status = -1};

	if (read_token(conf->token_file, authorization, sizeof(authorization)) < 0)
		return JB_EXIT_USAGE;
	outcome.base = event_base_new();
	if (outcome.base)
		fetch(conf, outcome.base, authorization, path, body, &outcome);
	explicit_bzero(authorization, sizeof(authorization));
	if (outcome.base)
		event_base_free(outcome.base);
	if (outcome.status < 0) {
		fprintf(stderr, "jit-broker: out of memory\n");
		return JB_EXIT_UNAVAILABLE;
	}
	return outcome.status;
}
