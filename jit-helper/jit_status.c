/* jit status: what this login session holds and waits for. See jit.h. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "jit.h"
#include "jit_doc.h"
#include "jit_page.h"
#include "text.h"

/* Seconds: what is about to end is shown so. */
#define SOON	  300
#define VERY_SOON 60

static void duration_of(struct json_object *json, const char *name, char *buf, size_t size)
{
	int64_t seconds = jit_doc_number(json, name);

	jit_format_duration(seconds > 0 ? (uint64_t)seconds : 0, buf, size);
}

static void print_head(const struct jit_page *page, struct json_object *grant)
{
	char id[64], role[JIT_NAME_SIZE], state[32], left[32], rest[96];
	int64_t seconds = jit_doc_number(grant, "remaining");
	bool active = strcmp(jit_doc_text(grant, "state", state, sizeof(state)), "ACTIVE") == 0;

	duration_of(grant, "remaining", left, sizeof(left));
	snprintf(rest, sizeof(rest), active ? "%s left" : "not used yet: %s from its first use on", left);
	jit_page_head(page, jit_doc_text(grant, "shortId", id, sizeof(id)),
		      jit_doc_text(grant, "role", role, sizeof(role)),
		      !active		     ? JIT_PLAIN
		      : seconds <= VERY_SOON ? JIT_RED
		      : seconds <= SOON	     ? JIT_YELLOW
					     : JIT_GREEN,
		      rest);
}

static void print_access(const struct jit_page *page, struct json_object *grant)
{
	char targets[512], services[512], line[1100], by[JIT_NAME_SIZE];

	snprintf(line, sizeof(line), "%s, by %s", jit_doc_join(grant, "targets", targets, sizeof(targets)),
		 jit_doc_join(grant, "services", services, sizeof(services)));
	jit_page_row(page, "as", JIT_PLAIN, line);
	jit_doc_text(grant, "approvedBy", by, sizeof(by));
	if (jit_doc_true(grant, "breakGlass"))
		jit_page_row(page, "approved by", JIT_RED, "NOBODY: this is break-glass, and the broker is told of it");
	else if (jit_doc_true(grant, "approvedByNobody"))
		jit_page_row(page, "approved by", JIT_RED,
			     "NOBODY: the reference deployment (seed-demo) lets whoever asks approve itself");
	else
		jit_page_row(page, "approved by", JIT_PLAIN, by[0] ? by : "the broker");
}

static void print_credentials(const struct jit_page *page, struct json_object *grant)
{
	char trouble[JIT_LINE_SIZE], left[32], line[JIT_LINE_SIZE + 128];
	struct json_object *credentials = jit_doc_object(grant, "credentials");

	jit_doc_text(grant, "trouble", trouble, sizeof(trouble));
	duration_of(credentials, "expiresIn", left, sizeof(left));
	if (!credentials && !jit_doc_true(grant, "hasCredentials"))
		return;
	if (!credentials)
		snprintf(line, sizeof(line), "no credentials yet: %s",
			 trouble[0] ? trouble : "they are fetched when they are used");
	else if (trouble[0])
		snprintf(line, sizeof(line), "credentials for %s; renewing them fails: %s", left, trouble);
	else
		snprintf(line, sizeof(line), "credentials for %s, %s", left,
			 jit_doc_true(grant, "approvedByNobody") ? "not renewed" : "renewed by themselves");
	jit_page_row(page, "AWS", trouble[0] ? JIT_YELLOW : JIT_PLAIN, line);
}

/* The sentence for a word of the document; "" for one that is not there. */
static const char *sentence(struct json_object *json, const char *name, const char *word, const char *if_word,
			    const char *if_other)
{
	char text[64];

	if (!jit_doc_text(json, name, text, sizeof(text))[0])
		return "";
	return strcmp(text, word) == 0 ? if_word : if_other;
}

static void print_grant(const struct jit_page *page, struct json_object *grant)
{
	print_head(page, grant);
	print_access(page, grant);
	print_credentials(page, grant);
	jit_page_row(
		page, "good for", JIT_PLAIN,
		sentence(grant, "scope", "user", "all your sessions from the same place", "this login session alone"));
	jit_page_row(page, "at its end", JIT_PLAIN,
		     sentence(grant, "onExpiry", "end", "what still runs in it is ended",
			      "what still runs in it is warned"));
	if (jit_doc_false(grant, "keyring"))
		jit_page_row(page, "weaker", JIT_YELLOW,
			     "no keyring here: its processes are known by their descent alone");
}

static void print_request(const struct jit_page *page, struct json_object *request)
{
	char id[64], role[JIT_NAME_SIZE], host[JIT_NAME_SIZE], code[16], since[32], left[32], rest[128];

	duration_of(request, "waiting", since, sizeof(since));
	duration_of(request, "remaining", left, sizeof(left));
	snprintf(rest, sizeof(rest), "waits for approval, for %s now, %s left", since, left);
	jit_page_head(page, jit_doc_text(request, "shortId", id, sizeof(id)),
		      jit_doc_text(request, "role", role, sizeof(role)), JIT_YELLOW, rest);
	jit_page_row(page, "code", JIT_BOLD, jit_doc_text(request, "code", code, sizeof(code)));
	jit_page_row(page, "host", JIT_PLAIN, jit_doc_text(request, "host", host, sizeof(host)));
}

/* Blocks with an empty line between them: how many. */
static size_t print_all(const struct jit_page *page, struct json_object *list,
			void (*print)(const struct jit_page *page, struct json_object *json), bool more)
{
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		if (i || more)
			putchar('\n');
		print(page, json_object_array_get_idx(list, i));
	}
	return n;
}

static enum jit_exit print_status(const struct jit_frame *frame)
{
	struct json_object *doc = jit_doc_read(frame), *list = jit_doc_list(doc, "grants");
	const struct jit_page page = jit_page_of_stdout();
	enum jit_exit status = JIT_EXIT_OK;

	if (!list) {
		status = doc ? jit_doc_senseless() : JIT_EXIT_INTERNAL;
		json_object_put(doc);
		return status;
	}
	size_t grants = print_all(&page, list, print_grant, false);
	size_t all = grants + print_all(&page, jit_doc_list(doc, "requests"), print_request, grants > 0);
	if (!grants) {
		printf("%sThis login session holds no grant%s.\n", all ? "\n" : "", all ? " yet" : "");
		status = JIT_EXIT_NOTHING;
	} else {
		printf("\nThis process is%s in the elevated session.\n", jit_doc_true(doc, "elevated") ? "" : " not");
	}
	json_object_put(doc);
	return status;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct jit_frame frame;
	const char *socket;
	bool json = false;
	int done = jit_plain_options(self, argc, argv, 0, &socket, &json);

	if (done >= 0)
		return (enum jit_exit)done;
	jit_frame_start(&frame, JIT_F_STATUS);
	(void)jit_put_token(&frame); /* without one it is told of its own login session */
	enum jit_exit status = jit_call(socket, &frame);
	if (status == JIT_EXIT_OK)
		status = json ? jit_print_json(&frame) : print_status(&frame);
	jit_frame_wipe(&frame);
	return status;
}

const struct jit_command jit_command_status = {
	.name = "status",
	.synopsis = "[--json] [--socket PATH]",
	.summary = "What this login session holds and waits for, and for how long",
	.details = "  --json  the document as it is (man jit, DOCUMENTS); its exit status is 0\n"
		   "          without a grant too\n"
		   "\n"
		   "Colour is for terminals alone, and not with NO_COLOR in the environment.\n",
	.run = run,
};
