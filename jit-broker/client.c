/* See client.h. */
#include "client.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "cleanup.h"
#include "client_call.h"
#include "client_show.h"
#include "doc.h"
#include "request.h"

struct command {
	struct jb_client_conf conf;
	char id[37];
	const char *code, *comment, *status;
	bool json;
};

struct usage {
	const char *text;
	bool wants_id, takes_code, takes_comment, lists;
};

#define COMMON_HELP                                                                                                    \
	"      --url URL           where the broker is (https://broker.example:8443)\n"                                \
	"      --ca FILE           its CA (default: the system's)\n"                                                   \
	"      --token-file FILE   your approver's token; - is standard input\n"                                       \
	"What is left out is read from ~/.config/jit-broker/client.conf (url, ca, token_file). Without a\n"            \
	"URL there the broker of this machine is asked, where you may read its configuration:\n"                       \
	"      --config FILE       another one than " JB_CONF_DEFAULT "\n"                                             \
	"Exit status: 0 done, 1 the broker refused, 2 usage, 4 the broker cannot answer.\n"

static const struct usage approve_usage = {
	.text = "usage: jit-broker approve ID [--code NN] [--comment TEXT]\n"
		"Approves a request. Without --code it shows what would be granted and asks for the code\n"
		"that the requester's terminal shows.\n"
		"      --code NN           that code\n"
		"      --comment TEXT      for the record\n" COMMON_HELP,
	.wants_id = true,
	.takes_code = true,
	.takes_comment = true,
};
static const struct usage deny_usage = {
	.text = "usage: jit-broker deny ID [--comment TEXT]\n"
		"Denies a request.\n"
		"      --comment TEXT      for the requester and the record\n" COMMON_HELP,
	.wants_id = true,
	.takes_comment = true,
};
static const struct usage revoke_usage = {
	.text = "usage: jit-broker revoke ID [--comment TEXT]\n"
		"Ends a grant.\n"
		"      --comment TEXT      for the requester and the record\n" COMMON_HELP,
	.wants_id = true,
	.takes_comment = true,
};
static const struct usage list_usage = {
	.text = "usage: jit-broker list [--status STATUS] [--json]\n"
		"Shows the requests that you may decide; with --status ACTIVE the grants that you may revoke.\n"
		"      --status STATUS     PENDING, APPROVED, ACTIVE, DENIED, EXPIRED, CANCELLED, ENDED, REVOKED, "
		"FAILED\n"
		"      --json              as JSON\n" COMMON_HELP,
	.lists = true,
};

static bool set_path(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
	return *field != NULL;
}

/* True when the option belongs to this command and was taken. */
static bool take_option(struct command *c, const struct usage *usage, int option)
{
	switch (option) {
	case 'u':
		return set_path(&c->conf.url, optarg);
	case 'a':
		return set_path(&c->conf.ca, optarg);
	case 't':
		return set_path(&c->conf.token_file, optarg);
	case 'b':
		c->conf.broker = optarg;
		return true;
	case 'c':
		c->code = optarg;
		return usage->takes_code;
	case 'm':
		c->comment = optarg;
		return usage->takes_comment;
	case 'j':
		c->json = true;
		return usage->lists;
	case 's':
		c->status = optarg;
		return usage->lists;
	default:
		return false;
	}
}

static int take_id(struct command *c, const char *text)
{
	bool is_short;

	if (jb_request_parse_id(text, c->id, &is_short))
		return 0;
	fprintf(stderr, "jit-broker: this is no request's id; give the short one (R7KD-2M9Q) or the whole uuid\n");
	return -1;
}

/* getopt takes --token for the beginning of --token-file, and what follows for a file: its name would be printed. */
static bool shows_token(int argc, char **argv)
{
	static const char right[] = "--token-file";

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], right, strlen("--t")) == 0 && strncmp(argv[i], right, strlen(right)) != 0)
			return true;
	return false;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, const struct usage *usage, struct command *c)
{
	static const struct option options[] = {
		{"url", required_argument, NULL, 'u'},	  {"ca", required_argument, NULL, 'a'},
		{"config", required_argument, NULL, 'b'}, {"token-file", required_argument, NULL, 't'},
		{"code", required_argument, NULL, 'c'},	  {"comment", required_argument, NULL, 'm'},
		{"json", no_argument, NULL, 'j'},	  {"status", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	int option;

	if (shows_token(argc, argv)) {
		fputs("jit-broker: an argument can be read by everybody here: a token that stood there is to be "
		      "revoked; "
		      "give --token-file\n",
		      stderr);
		return JB_EXIT_USAGE;
	}
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage->text, stdout);
			return JB_EXIT_OK;
		}
		if (!take_option(c, usage, option)) {
			fputs(usage->text, stderr);
			return JB_EXIT_USAGE;
		}
	}
	if (argc - optind != (usage->wants_id ? 1 : 0)) {
		fputs(usage->text, stderr);
		return JB_EXIT_USAGE;
	}
	if ((usage->wants_id && take_id(c, argv[optind]) < 0) || jb_client_conf_complete(&c->conf) < 0)
		return JB_EXIT_USAGE;
	return -1;
}

/* POST /requests/{id}/{verb} with code and comment. */
static int post(const struct command *c, const char *verb, struct json_object **ret)
{
	JB_DOC body = {json_object_new_object()};
	char path[96];

	if (c->code)
		jb_doc_text(&body, "code", c->code);
	if (c->comment)
		jb_doc_text(&body, "comment", c->comment);
	const char *text = jit_json_text(body.json, NULL);
	if (!text) {
		fprintf(stderr, "jit-broker: out of memory\n");
		return JB_EXIT_UNAVAILABLE;
	}
	snprintf(path, sizeof(path), "/requests/%s/%s", c->id, verb);
	return jb_client_call(&c->conf, path, text, ret);
}

/* The code is typed where nobody can pipe one in: a person read it from another person's terminal. */
static int ask_code(char *buf, size_t size)
{
	JIT_FCLOSE FILE *tty = fopen("/dev/tty", "r+e");

	if (!tty) {
		fprintf(stderr, "jit-broker: there is no terminal to ask for the code on; give --code NN\n");
		return -1;
	}
	fputs("Code on the requester's terminal: ", tty);
	fflush(tty);
	if (!fgets(buf, (int)size, tty))
		*buf = '\0';
	/* Pasted with blanks around it, it is still the right one. */
	size_t blanks = strspn(buf, " \t\r\n");
	memmove(buf, buf + blanks, strlen(buf + blanks) + 1);
	buf[strcspn(buf, " \t\r\n")] = '\0';
	if (*buf)
		return 0;
	fprintf(stderr, "jit-broker: no code was given, and nothing was decided\n");
	return -1;
}

/* Shows what would be granted and fetches the code where one is wanted. -1: go on; else the exit status. */
static int look_and_ask(struct command *c, char *buf, size_t size)
{
	struct json_object *request = NULL;
	char path[64];
	int status;

	snprintf(path, sizeof(path), "/requests/%s", c->id);
	status = jb_client_call(&c->conf, path, NULL, &request);
	if (status != JB_EXIT_OK)
		return status;
	jb_show_request(stdout, request);
	fflush(stdout);
	status = -1;
	if (jb_show_wants_code(request)) {
		if (ask_code(buf, size) < 0)
			status = JB_EXIT_USAGE;
		c->code = buf;
	}
	json_object_put(request);
	return status;
}

static int decide(int argc, char **argv, const struct usage *usage, const char *verb)
{
	struct command c = {.conf.broker = JB_CONF_DEFAULT};
	struct json_object *request = NULL;
	char code[16] = "";
	int status = parse(argc, argv, usage, &c);

	if (status < 0 && usage->takes_code && !c.code)
		status = look_and_ask(&c, code, sizeof(code));
	if (status < 0) {
		status = post(&c, verb, &request);
		if (status == JB_EXIT_OK)
			jb_show_decision(stdout, verb, request);
	}
	json_object_put(request);
	jb_client_conf_clear(&c.conf);
	return status;
}

int jb_cmd_approve(int argc, char **argv)
{
	return decide(argc, argv, &approve_usage, "approve");
}

int jb_cmd_deny(int argc, char **argv)
{
	return decide(argc, argv, &deny_usage, "deny");
}

int jb_cmd_revoke(int argc, char **argv)
{
	return decide(argc, argv, &revoke_usage, "revoke");
}

/* The parameter's value; NULL, with a sentence printed, where it is none. */
static const char *status_of(const struct command *c)
{
	enum jb_status status = JB_PENDING;

	if (!c->status || jb_status_parse(c->status, &status))
		return jb_status_name(status);
	fprintf(stderr,
		"jit-broker: --status is PENDING, APPROVED, ACTIVE, DENIED, EXPIRED, CANCELLED, ENDED, REVOKED or "
		"FAILED\n");
	return NULL;
}

int jb_cmd_list(int argc, char **argv)
{
	struct command c = {.conf.broker = JB_CONF_DEFAULT};
	struct json_object *list = NULL;
	char path[64];
	int status = parse(argc, argv, &list_usage, &c);
	const char *wanted = status < 0 ? status_of(&c) : NULL;

	if (status < 0 && !wanted)
		status = JB_EXIT_USAGE;
	if (wanted) {
		snprintf(path, sizeof(path), "/requests?status=%s", wanted);
		status = jb_client_call(&c.conf, path, NULL, &list);
		if (status == JB_EXIT_OK && c.json)
			jb_show_json(stdout, list);
		else if (status == JB_EXIT_OK)
			jb_show_list(stdout, list, wanted);
	}
	json_object_put(list);
	jb_client_conf_clear(&c.conf);
	return status;
}
