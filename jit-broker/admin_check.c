/* `jit-broker check`: is the configuration in order, and what would the policy say to this one request? */
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "cleanup.h"
#include "clock.h"
#include "conf.h"
#include "conf_check.h"
#include "exit.h"
#include "inifile.h"
#include "policy.h"
#include "safefile.h"
#include "sandbox_offer.h"
#include "text.h"

static const char how[] = "check [--config FILE] [--who USER --host HOST [--role ROLE]\n"
			  "       [--login-user USER] [--service NAME] [--target USER] [--duration 15m]\n"
			  "       [--reason TEXT] [--ticket TEXT] [--approver PERSON] [--at TIME] [--json]]";

struct asked {
	const char *config, *who, *host, *role, *login_user, *service, *target, *duration, *reason, *ticket, *approver,
		*at;
	bool json;
};

/* What the policy says to it, and what a person wants to know beside. */
struct answer {
	const struct jb_conf *conf;
	const struct jb_role *role; /* NULL: none */
	struct jb_request request;
	int64_t at;
	int64_t wanted; /* seconds; the request's own are what is left of them */
	struct jb_decision decision;
	struct jb_decision approver; /* with --approver: may they? */
};

static void conf_freep(struct jb_conf **conf)
{
	jb_conf_free(*conf);
}
#define CONF JIT_CLEANUP(conf_freep) struct jb_conf

static void print_error(void *arg, const char *message)
{
	char clean[1024];

	(void)arg;
	jit_text_clean_str(clean, sizeof(clean), message);
	fprintf(stderr, "%s\n", clean);
}

static bool read_options(int argc, char **argv, struct asked *asked)
{
	const struct {
		const char *name;
		const char **value;
	} names[] = {
		{"config", &asked->config},
		{"who", &asked->who},
		{"host", &asked->host},
		{"role", &asked->role},
		{"service", &asked->service},
		{"target", &asked->target},
		{"login-user", &asked->login_user},
		{"reason", &asked->reason},
		{"ticket", &asked->ticket},
		{"duration", &asked->duration},
		{"approver", &asked->approver},
		{"at", &asked->at},
	};
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	struct option options[COUNT + 2] = {[COUNT] = {"json", no_argument, NULL, COUNT}};
	int option;

	for (size_t i = 0; i < COUNT; i++)
		options[i] = (struct option){names[i].name, required_argument, NULL, (int)i};
	optind = 0; /* glibc: begin anew */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option < 0 || option > COUNT)
			return false;
		if (option == COUNT)
			asked->json = true;
		else
			*names[option].value = optarg;
	}
	/* Whatever is asked is asked about somebody on some host. */
	for (size_t i = 1; i < COUNT; i++)
		if (*names[i].value && (!asked->who || !asked->host))
			return false;
	return optind == argc && (!asked->json || asked->who);
}

static char *own(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* The text of that line of the configuration; "" where it cannot be read again. The caller frees. NULL: no memory. */
static char *line_text(const struct jb_conf *conf, unsigned line)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = JIT_INI_MAX_SIZE};
	JIT_FREE char *text = NULL;
	char why[512];
	size_t len;

	if (!line || jit_file_read(conf->path, &rule, &text, &len, why, sizeof(why)) < 0)
		return strdup("");
	const char *at = text;
	while (--line && *at)
		at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n');
	return strndup(at, strcspn(at, "\r\n"));
}

/* Names the line that decided; a line of 0 is not in the file. */
static void print_where(const struct jb_conf *conf, unsigned line)
{
	JIT_FREE char *text = line_text(conf, line);

	if (line)
		printf("decided by %s:%u: %s\n", conf->path, line, text ? text : "");
}

static void print_cuts(const struct answer *a)
{
	const struct jb_lines *lines = &a->role->lines;
	const char *path = a->conf->path;
	int64_t most = a->wanted;

	if (a->wanted > (int64_t)a->role->max_duration) {
		printf("the time is cut to max_duration (%s:%u)\n", path, jb_conf_line(lines, JB_KEY_MAX_DURATION));
		most = a->role->max_duration;
	}
	if (a->request.duration < most)
		printf("the time is cut to the end of the role's hours (%s:%u)\n", path, a->role->hours.window[0].line);
}

static void print_approvers(const struct answer *a)
{
	const struct jb_lines *lines = &a->role->lines;
	unsigned approvers = 0;

	for (size_t i = 0; i < a->conf->person_count; i++)
		if (jb_policy_may_decide(a->conf, &a->request, a->conf->persons[i].name).allowed)
			printf("%s%s", approvers++ ? " " : "who may approve it: ", a->conf->persons[i].name);
	if (approvers)
		printf("; %u must (%s:%u)\n", a->role->approvals, a->conf->path, jb_conf_line(lines, JB_KEY_APPROVERS));
	if (a->role->auto_approve == JB_AUTO_SIMULATED)
		printf("with simulateApproval it is approved without a person (%s:%u)\n", a->conf->path,
		       jb_conf_line(lines, JB_KEY_AUTO_APPROVE));
	else if (!a->decision.by_policy && approvers < a->role->approvals)
		printf("but only %u may approve it, so it could not be granted\n", approvers);
}

static void print_yes(const struct answer *a, const struct asked *asked)
{
	char duration[48];

	jit_format_duration((uint64_t)a->request.duration, duration, sizeof(duration));
	printf("allowed: %s may ask for role %s on %s, for %s\n", asked->who, a->role->name, asked->host, duration);
	if (a->decision.by_policy)
		printf("approved at once: %s\n", a->decision.message);
	print_where(a->conf, a->decision.line);
	print_cuts(a);
	print_approvers(a);
	if (a->role->reason_required && !asked->reason)
		printf("a reason will be asked for (%s:%u)\n", a->conf->path,
		       jb_conf_line(&a->role->lines, JB_KEY_REASON));
}

static void print_text(const struct answer *a, const struct asked *asked)
{
	if (a->decision.allowed) {
		print_yes(a, asked);
	} else {
		printf("refused, %s: %s\n", a->decision.code, a->decision.message);
		print_where(a->conf, a->decision.line);
	}
	if (!asked->approver)
		return;
	if (a->approver.allowed)
		printf("%s may approve it\n", asked->approver);
	else
		printf("%s may not approve it, %s: %s\n", asked->approver, a->approver.code, a->approver.message);
	print_where(a->conf, a->approver.line);
}

static struct json_object *decision_json(const struct jb_conf *conf, const struct jb_decision *d)
{
	struct json_object *json = json_object_new_object();
	JIT_FREE char *text = line_text(conf, d->line);

	json_object_object_add(json, "allowed", json_object_new_boolean(d->allowed));
	json_object_object_add(json, "code", json_object_new_string(d->code));
	json_object_object_add(json, "message", json_object_new_string(d->message));
	json_object_object_add(json, "file", d->line ? json_object_new_string(conf->path) : NULL);
	json_object_object_add(json, "line", d->line ? json_object_new_int64(d->line) : NULL);
	json_object_object_add(json, "text", d->line && text ? json_object_new_string(text) : NULL);
	return json;
}

static void print_json(const struct answer *a, const struct asked *asked)
{
	struct json_object *json = decision_json(a->conf, &a->decision), *list = json_object_new_array();
	char at[JIT_ISO_SIZE];

	jit_iso_format(a->at, at);
	json_object_object_add(json, "at", json_object_new_string(at));
	json_object_object_add(json, "role", a->role ? json_object_new_string(a->role->name) : NULL);
	json_object_object_add(json, "byPolicy", json_object_new_boolean(a->decision.by_policy));
	for (size_t i = 0; a->role && i < a->conf->person_count; i++)
		if (jb_policy_may_decide(a->conf, &a->request, a->conf->persons[i].name).allowed)
			json_object_array_add(list, json_object_new_string(a->conf->persons[i].name));
	json_object_object_add(json, "approvers", list);
	json_object_object_add(json, "approvals", a->role ? json_object_new_int64(a->role->approvals) : NULL);
	json_object_object_add(json, "duration",
			       a->decision.allowed ? json_object_new_int64(a->request.duration) : NULL);
	if (asked->approver)
		json_object_object_add(json, "approver", decision_json(a->conf, &a->approver));
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

/* The request as a host's helper would file it, which always has a key and asks for a reason. */
static struct jb_request request_of(const struct asked *asked)
{
	return (struct jb_request){
		.status = JB_PENDING,
		.host = own(asked->host),
		.requester = own(asked->who),
		.login_user = own(asked->login_user),
		.role = own(asked->role),
		.service = own(asked->service),
		.target = own(asked->target),
		.reason = own(asked->reason ? asked->reason : "check"),
		.ticket = own(asked->ticket),
		.public_key = own("{}"),
	};
}

/* Judges it as it would be judged at its filing. */
static void judge(struct answer *a, const struct asked *asked)
{
	struct jb_request *r = &a->request;

	a->role = asked->role ? jb_conf_role(a->conf, asked->role) : jb_policy_choose(a->conf, r, a->at, &a->decision);
	if (!a->role && !asked->role)
		return;
	if (a->role) {
		r->role = a->role->name;
		r->role_arn = a->role->arn;
		a->wanted = a->wanted ? a->wanted : a->role->max_duration;
		r->duration = a->wanted;
		r->duration = jb_policy_duration(a->conf, r, a->at);
	}
	a->decision = jb_policy_allows(a->conf, r, NULL, a->at);
	if (asked->approver)
		a->approver = jb_policy_allows(a->conf, r, asked->approver, a->at);
}

static int explain(const struct jb_conf *conf, const struct asked *asked)
{
	struct answer answer = {.conf = conf, .request = request_of(asked), .at = jit_wall_s()};
	uint64_t wanted = 0;

	if (asked->duration && (jit_parse_duration(asked->duration, INT32_MAX, &wanted) < 0 || wanted == 0)) {
		fprintf(stderr, "jit-broker: --duration is a time like 90s, 15m or 4h\n");
		return JB_EXIT_USAGE;
	}
	if (asked->at && jit_iso_parse(asked->at, &answer.at) < 0) {
		fprintf(stderr, "jit-broker: --at is an instant like 2026-11-23T03:00:00Z\n");
		return JB_EXIT_USAGE;
	}
	answer.wanted = (int64_t)wanted;
	judge(&answer, asked);
	if (asked->json)
		print_json(&answer, asked);
	else
		print_text(&answer, asked);
	return answer.decision.allowed && (!asked->approver || answer.approver.allowed) ? JB_EXIT_OK : JB_EXIT_FAILED;
}

/* Of the machine it is run on, which is to be the broker's. */
static void warn_of_kernel(void)
{
	const struct jit_sandbox_offer offer = jit_sandbox_ask();
	struct jit_sandbox_lack lack;

	for (enum jit_sandbox_part part = 0; part < JIT_SANDBOX_PARTS; part++)
		if (jit_sandbox_lacks(&offer, part, &lack))
			fprintf(stderr, "jit-broker: a broker on this machine is not confined by %s: %s; %s\n",
				lack.part, lack.why, lack.remedy);
}

int jb_cmd_check(int argc, char **argv)
{
	struct asked asked = {.config = JB_CONF_DEFAULT};

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("usage: jit-broker %s\n", how);
		return JB_EXIT_OK;
	}
	if (!read_options(argc, argv, &asked)) {
		fprintf(stderr, "usage: jit-broker %s\n", how);
		return JB_EXIT_USAGE;
	}
	CONF *conf = jb_conf_read(asked.config, print_error, NULL);
	if (!conf)
		return JB_EXIT_FAILED;
	if (asked.who)
		return explain(conf, &asked);
	warn_of_kernel();
	if (jb_conf_check_files(conf, print_error, NULL) > 0)
		return JB_EXIT_FAILED;
	printf("%s is in order: %zu roles, %zu groups, %zu persons\n", conf->path, conf->role_count, conf->group_count,
	       conf->person_count);
	return JB_EXIT_OK;
}
