/* The audit chain, as whoever runs the broker and its auditors see it: jit-broker audit. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "admin_private.h"
#include "audit.h"
#include "audit_anchor.h"
#include "audit_join.h"
#include "clock.h"
#include "exit.h"
#include "json.h"
#include "json_read.h"

#define PAGE 1000 /* records that show reads at once */

struct asked {
	const char *config, *anchor;
	int64_t from, to; /* epoch seconds, both within */
	bool json;
	char **files; /* what stands behind the command's own word */
	int file_count;
};

static const char how[] = "audit [--config FILE] [--anchor FILE|TEXT] [--from TIME]\n"
			  "       [--to TIME] [--json] verify | export | anchor | join FILE... | show";

static int unreadable(const struct jb_audit_break *at)
{
	fprintf(stderr, "jit-broker: the chain could not be read from record %" PRId64 " on: %s\n", at->seq, at->why);
	return JB_EXIT_FAILED;
}

static void tell_break(FILE *out, const struct jb_audit_break *at)
{
	fprintf(out, "the audit chain is broken: record %" PRId64 ": %s\n", at->seq, at->why);
}

/* verify */

struct verified {
	struct jb_anchors anchors;
	const struct jb_anchor *other; /* names another record than there is */
	int64_t count;
};

static int verify_record(void *arg, int64_t seq, const char *text, const char *hash)
{
	struct verified *v = arg;

	(void)text;
	v->count = seq;
	v->other = jb_anchors_meet(&v->anchors, seq, hash);
	return v->other ? 1 : 0;
}

static const char *time_of(const struct jb_anchor *anchor)
{
	return *anchor->at ? anchor->at : "an unknown time";
}

static int tell_whole(const struct verified *v)
{
	const struct jb_anchor *missed = jb_anchors_missed(&v->anchors);

	if (missed) {
		printf("the audit chain is cut off: it ends with record %" PRId64 ", and an anchor of %s names record "
		       "%" PRId64 "\n",
		       v->count, time_of(missed), missed->seq);
		return JB_EXIT_FAILED;
	}
	printf("the audit chain is whole: %" PRId64 " record%s", v->count, v->count == 1 ? "" : "s");
	if (v->anchors.count)
		printf(", and %zu anchor%s fit%s", v->anchors.count, v->anchors.count == 1 ? "" : "s",
		       v->anchors.count == 1 ? "s" : "");
	putchar('\n');
	return jb_admin_printed();
}

/* What a store brings into the chain later is safe where it was written, but nothing vouches for its order yet. */
static int tell_waiting(struct jb_store *store)
{
	char since[JIT_ISO_SIZE];
	size_t count;
	int64_t at;

	if (jb_store_audit_waiting(store, &count, &at) < 0) {
		fprintf(stderr, "jit-broker: the chain could not be read: %s\n", jb_store_error(store));
		return JB_EXIT_FAILED;
	}
	if (!count)
		return JB_EXIT_OK;
	jit_iso_format(at, since);
	printf("%zu record%s, the first from %s, %s not in the chain yet: a broker that serves brings them there\n",
	       count, count == 1 ? "" : "s", since, count == 1 ? "is" : "are");
	return jb_admin_printed();
}

static int verify(struct jb_store *store, const struct asked *asked)
{
	struct verified v = {0};
	struct jb_audit_break at;
	char why[512];
	int status = JB_EXIT_FAILED;

	if (asked->anchor && jb_anchors_read(asked->anchor, &v.anchors, why, sizeof(why)) < 0) {
		jb_admin_error(NULL, why);
		return JB_EXIT_FAILED;
	}
	int r = jb_store_audit_walk(store, verify_record, &v, &at);
	if (r == 0)
		status = tell_whole(&v);
	else if (r == -EBADMSG)
		tell_break(stdout, &at);
	else if (r == 1)
		printf("the audit chain is another one: record %" PRId64 " is not the one that an anchor of %s names\n",
		       v.other->seq, time_of(v.other));
	else
		unreadable(&at);
	jb_anchors_clear(&v.anchors);
	return status == JB_EXIT_OK ? tell_waiting(store) : status;
}

/* export */

static bool is_within(const struct asked *asked, const char *text)
{
	JIT_JSON json_object *record = jit_json_of(text);
	json_object *at;
	int64_t instant;

	if (asked->from == 0 && asked->to == INT64_MAX)
		return true;
	return json_object_object_get_ex(record, "at", &at) &&
	       jit_iso_parse(json_object_get_string(at), &instant) == 0 && instant >= asked->from &&
	       instant <= asked->to;
}

static int export_record(void *arg, int64_t seq, const char *text, const char *hash)
{
	(void)seq;
	if (!is_within(arg, text))
		return 0;
	char *shown = jb_audit_show(text, hash);
	if (!shown)
		return -ENOMEM;
	int r = puts(shown) < 0 ? 1 : 0;
	free(shown);
	return r;
}

static int export(struct jb_store *store, const struct asked *asked)
{
	struct jb_audit_break at = {.why = "out of memory"};
	int r = jb_store_audit_walk(store, export_record, (void *)asked, &at);

	if (r >= 0)
		return jb_admin_printed(); /* which says what was not written */
	if (r != -EBADMSG)
		return unreadable(&at);
	fflush(stdout);
	fputs("jit-broker: ", stderr);
	tell_break(stderr, &at);
	return JB_EXIT_FAILED;
}

/* anchor */

struct head {
	int64_t seq;
	char hash[JB_HASH_SIZE];
};

static int keep_head(void *arg, int64_t seq, const char *text, const char *hash)
{
	struct head *head = arg;

	(void)text;
	head->seq = seq;
	snprintf(head->hash, sizeof(head->hash), "%s", hash);
	return 0;
}

/* Only what was seen to be whole is worth keeping. */
static int anchor(struct jb_store *store, const struct asked *asked)
{
	struct head head = {0, JB_AUDIT_FIRST};
	struct jb_audit_break at;
	char line[JB_ANCHOR_LINE];
	int r = jb_store_audit_walk(store, keep_head, &head, &at);

	(void)asked;
	if (r == -EBADMSG) {
		fputs("jit-broker: ", stderr);
		tell_break(stderr, &at);
		return JB_EXIT_FAILED;
	}
	if (r < 0)
		return unreadable(&at);
	jb_anchor_format(head.seq, head.hash, jit_wall_s(), line);
	puts(line);
	return jb_admin_printed();
}

/* show: as it is, also where it is broken */

static void print_record(void *arg, int64_t seq, const char *json)
{
	*(int64_t *)arg = seq;
	puts(json);
}

static int show(struct jb_store *store, const struct asked *asked)
{
	int64_t last = 0, before;

	(void)asked;
	do {
		before = last;
		if (jb_store_audit_read(store, last, PAGE, print_record, &last) < 0) {
			fprintf(stderr, "jit-broker: the chain could not be read: %s\n", jb_store_error(store));
			return JB_EXIT_FAILED;
		}
	} while (last != before);
	return jb_admin_printed();
}

/* The options, in any place. False: the command line is wrong. */
static bool read_options(int argc, char **argv, struct asked *asked)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"anchor", required_argument, NULL, 'a'},
		{"from", required_argument, NULL, 'f'},	  {"to", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},	  {0}};
	int option;

	*asked = (struct asked){.config = JB_CONF_DEFAULT, .to = INT64_MAX};
	optind = 0; /* glibc: begin anew */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			asked->config = optarg;
		else if (option == 'a')
			asked->anchor = optarg;
		else if (option == 'j')
			asked->json = true;
		else if ((option != 'f' && option != 't') ||
			 jit_iso_parse(optarg, option == 'f' ? &asked->from : &asked->to) < 0)
			return false;
	}
	asked->files = argv + optind + 1;
	asked->file_count = argc - optind - 1;
	return asked->file_count >= 0;
}

static int join(const struct jb_conf *conf, struct jb_store *store, const struct asked *asked)
{
	const struct jb_join how_to = {.conf = conf,
				       .store = store,
				       .files = asked->files,
				       .file_count = (size_t)asked->file_count,
				       .from = asked->from,
				       .to = asked->to,
				       .json = asked->json};
	char why[512];
	int found = jb_audit_join(&how_to, stdout, why, sizeof(why));

	if (found < 0) {
		jb_admin_error(NULL, why);
		return JB_EXIT_FAILED;
	}
	int status = jb_admin_printed();
	return status != JB_EXIT_OK || found == 0 ? status : JB_EXIT_FOUND;
}

static const struct {
	const char *word;
	int (*run)(struct jb_store *store, const struct asked *asked); /* NULL: join, which wants files */
	bool anchor, times, json;				       /* the options that mean something with it */
} words[] = {
	{"verify", verify, .anchor = true},	     {"export", export, .times = true},
	{"anchor", anchor, .anchor = false},	     {"show", show, .anchor = false},
	{"join", NULL, .times = true, .json = true},
};

int jb_cmd_audit(int argc, char **argv)
{
	struct asked asked;
	size_t i = 0;

	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	if (!read_options(argc, argv, &asked))
		return jb_admin_usage(how);
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i].word, asked.files[-1]) != 0)
		i++;
	if (i == sizeof(words) / sizeof(words[0]) || (words[i].run ? asked.file_count > 0 : asked.file_count == 0) ||
	    (asked.anchor && !words[i].anchor) || (asked.json && !words[i].json) ||
	    ((asked.from || asked.to != INT64_MAX) && !words[i].times))
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(asked.config, jb_admin_error, NULL);
	STORE *store = conf ? jb_admin_store(conf, false) : NULL;
	if (!store)
		return JB_EXIT_FAILED;
	return words[i].run ? words[i].run(store, &asked) : join(conf, store, &asked);
}
