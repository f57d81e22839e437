/*
 * jit request: files requests beforehand, for this host or for others, and waits
 * for the decisions where it is told to. What is filed goes on without jit: only
 * a jit that waits and is interrupted withdraws.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit.h"
#include "jit_asked.h"
#include "jit_doc.h"
#include "jit_follow.h"
#include "text.h"

#define HOSTS_MAX    32
#define DURATION_MAX (UINT64_C(7) * 86400)
#define WAIT_MAX     (UINT64_C(366) * 86400)

struct options {
	const char *socket, *role, *reason, *ticket;
	const char *hosts[HOSTS_MAX];
	size_t hosts_len;
	uint64_t duration; /* seconds; 0: the helper's */
	uint64_t wait;	   /* seconds; 0: it does not wait */
	bool json;
};

enum { OPT_ROLE = JIT_OPTION_OWN, OPT_FOR, OPT_REASON, OPT_TICKET, OPT_HOSTS, OPT_WAIT };

static const struct option long_options[] = {
	JIT_COMMON_OPTIONS,
	{"json", no_argument, NULL, JIT_OPTION_JSON},
	{"role", required_argument, NULL, OPT_ROLE},
	{"for", required_argument, NULL, OPT_FOR},
	{"reason", required_argument, NULL, OPT_REASON},
	{"ticket", required_argument, NULL, OPT_TICKET},
	{"hosts", required_argument, NULL, OPT_HOSTS},
	{"wait", optional_argument, NULL, OPT_WAIT},
	{0},
};

static bool read_seconds(const char *text, uint64_t max, uint64_t *ret)
{
	return jit_parse_duration(text, max, ret) == 0 && *ret > 0;
}

/* NULL, or what is wrong with it. */
static const char *read_text(const char *text, size_t size, const char **ret)
{
	*ret = text;
	if (!text[0] || strlen(text) >= size)
		return "is empty or too long";
	return jit_utf8_valid(text, strlen(text)) ? NULL : "is no UTF-8";
}

static const char *add_host(struct options *o, const char *pattern)
{
	if (o->hosts_len == HOSTS_MAX)
		return "is one pattern of hosts too many: 32 at most";
	return read_text(pattern, JIT_NAME_SIZE, &o->hosts[o->hosts_len++]);
}

/* `--wait 10m` too: getopt_long takes the value of an optional one only behind a "=". */
static const char *read_wait(struct options *o, int argc, char **argv)
{
	o->wait = WAIT_MAX;
	if (optarg)
		return read_seconds(optarg, WAIT_MAX, &o->wait) ? NULL : "is no time to wait: write 90s, 15m or 4h";
	if (optind < argc && read_seconds(argv[optind], WAIT_MAX, &o->wait))
		optind++;
	return NULL;
}

static const char *read_option(struct options *o, int option, int argc, char **argv)
{
	switch (option) {
	case JIT_OPTION_SOCKET:
		o->socket = optarg;
		return NULL;
	case JIT_OPTION_JSON:
		o->json = true;
		return NULL;
	case OPT_ROLE:
		return read_text(optarg, JIT_NAME_SIZE, &o->role);
	case OPT_FOR:
		return read_seconds(optarg, DURATION_MAX, &o->duration)
			       ? NULL
			       : "is no duration from 1s to 7d: write 90s, 15m or 4h";
	case OPT_REASON:
		return read_text(optarg, JIT_LINE_SIZE, &o->reason);
	case OPT_TICKET:
		return read_text(optarg, JIT_LINE_SIZE, &o->ticket);
	case OPT_HOSTS:
		return add_host(o, optarg);
	default:
		return read_wait(o, argc, argv);
	}
}

/* -1: go on; else what to exit with. */
static int read_options(const struct jit_command *self, int argc, char **argv, struct options *o)
{
	const char *reason = getenv("JIT_REASON"), *wrong = NULL;
	enum jit_exit status = JIT_EXIT_OK;
	int option;

	while ((option = jit_option(self, argc, argv, long_options, &status)) != -1) {
		if (option == JIT_OPTION_DONE)
			return (int)status;
		wrong = read_option(o, option, argc, argv);
		if (wrong)
			return (int)jit_usage(self, "'%.64s' %s", optarg, wrong);
	}
	/* More words are more patterns: a shell may have made several of one. */
	for (; optind < argc; optind++) {
		wrong = o->hosts_len ? add_host(o, argv[optind]) : "is one word too many";
		if (wrong)
			return (int)jit_usage(self, "'%.64s' %s", argv[optind], wrong);
	}
	if (!o->role)
		return (int)jit_usage(self, "say which role with --role");
	if (!o->reason && reason && reason[0] && read_text(reason, JIT_LINE_SIZE, &o->reason))
		return (int)jit_usage(self, "JIT_REASON is too long, or no UTF-8");
	return -1;
}

static void put_request(const struct options *o, struct jit_frame *frame)
{
	jit_frame_start(frame, JIT_F_REQUEST);
	jit_frame_put_str(frame, JIT_T_ROLE, o->role);
	jit_frame_put_str(frame, JIT_T_REASON, o->reason);
	jit_frame_put_str(frame, JIT_T_TICKET, o->ticket);
	if (o->duration)
		jit_frame_put_u32(frame, JIT_T_DURATION, (uint32_t)o->duration);
	for (size_t i = 0; i < o->hosts_len; i++)
		jit_frame_put_str(frame, JIT_T_HOST, o->hosts[i]);
}

/* "web-1  R7KD-2M9Q  code 47  waiting for approval" */
static void print_request(void *arg, struct json_object *request)
{
	char host[JIT_NAME_SIZE], id[32], code[16], text[2 * JIT_LINE_SIZE];
	const struct options *o = arg;

	if (o->json)
		return;
	jit_doc_text(request, "host", host, sizeof(host));
	jit_doc_text(request, "shortId", id, sizeof(id));
	jit_doc_text(request, "code", code, sizeof(code));
	bool shown = code[0] && jit_asked_pending(request);
	printf("%s%s%s%s%s  %s\n", host, id[0] ? "  " : "", id, shown ? "  code " : "", shown ? code : "",
	       jit_asked_text(request, text, sizeof(text)));
	fflush(stdout);
}

static bool shows_live_line(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static enum jit_exit go_on(const struct options *o, struct json_object *doc, struct json_object *list)
{
	const struct jit_follow follow = {.socket = o->socket,
					  .list = list,
					  .seconds = o->wait,
					  .live = shows_live_line(),
					  .changed = print_request,
					  .arg = (void *)(uintptr_t)o};
	enum jit_exit status = JIT_EXIT_OK;

	for (size_t i = 0; i < json_object_array_length(list); i++)
		print_request((void *)(uintptr_t)o, json_object_array_get_idx(list, i));
	if (o->wait)
		status = jit_follow(&follow);
	if (o->json)
		puts(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	return status == JIT_EXIT_OK ? jit_asked_gravest(list) : status;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct options o = {.socket = JIT_SESSION_SOCKET};
	struct jit_frame frame;
	int done = read_options(self, argc, argv, &o);

	if (done >= 0)
		return (enum jit_exit)done;
	if (o.wait)
		jit_follow_signals();
	put_request(&o, &frame);
	enum jit_exit status = jit_call(o.socket, &frame);
	if (status != JIT_EXIT_OK)
		return status;
	struct json_object *doc = jit_doc_read(&frame), *list = jit_doc_list(doc, "requests");
	if (list && json_object_array_length(list))
		status = go_on(&o, doc, list);
	else
		status = doc ? jit_doc_senseless() : JIT_EXIT_INTERNAL;
	json_object_put(doc);
	return status;
}

const struct jit_command jit_command_request = {
	.name = "request",
	.synopsis = "--role ROLE [OPTION…]",
	.summary = "Ask for approval beforehand, for this host or for others",
	.details = "  --role ROLE         the role to ask for\n"
		   "  --for DURATION      for how long: 90s, 15m, 4h (as the service is configured)\n"
		   "  --reason TEXT       why; else JIT_REASON from the environment\n"
		   "  --ticket TEXT       the ticket, where the role wants one\n"
		   "  --hosts PATTERN…    for which hosts (this one); where the broker lets this\n"
		   "                      host ask for them\n"
		   "  --wait [DURATION]   until all are decided, or so long; Ctrl-C then withdraws\n"
		   "                      what is pending\n"
		   "  --json              the document alone, at the end\n"
		   "  --socket PATH       the helper's socket\n"
		   "\n"
		   "The requests belong to this login session and go on without jit. `jit status`\n"
		   "shows them, `jit end` withdraws them.\n"
		   "Exit status: 0 all are approved. Else what says most of any of them, in this\n"
		   "order: 5 fault, 13 not eligible, 11 denied or withdrawn, 12 expired, 4 not to\n"
		   "be had now, 10 pending.\n",
	.run = run,
};
