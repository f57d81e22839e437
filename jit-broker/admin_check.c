/* `jit-broker check`: is the configuration in order, and what would the policy say to this one request? */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "cleanup.h"
#include "clock.h"
#include "conf.h"
#include "policy.h"
#include "text.h"

static const char how[] =
	"check [--config FILE] [--who USER --host HOST --role ROLE [--login-user USER] [--service NAME]"
	" [--target USER] [--duration 15m] [--reason TEXT] [--ticket TEXT]]";

struct asked {
	const char *config, *who, *host, *role, *login_user, *service, *target, *duration, *reason, *ticket;
};

static void conf_freep(struct jb_conf **conf)
{
	jb_conf_free(*conf);
}
#define CONF JIT_CLEANUP(conf_freep) struct jb_conf

static void print_error(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
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
	};
	const size_t count = sizeof(names) / sizeof(names[0]);
	struct option options[sizeof(names) / sizeof(names[0]) + 1] = {0};
	int option;

	for (size_t i = 0; i < count; i++)
		options[i] = (struct option){names[i].name, required_argument, NULL, (int)i};
	optind = 0; /* glibc: begin anew */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option < 0 || (size_t)option >= count)
			return false;
		*names[option].value = optarg;
	}
	return optind == argc;
}

static char *own(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* Names the line that decided; a line of 0 is not in the file. */
static void print_where(const struct jb_conf *conf, unsigned line)
{
	if (line)
		printf("decided by %s:%u\n", conf->path, line);
}

static int explain_yes(const struct jb_conf *conf, const struct jb_role *role, const struct asked *asked,
		       uint64_t wanted)
{
	char duration[48];
	unsigned approvers = 0;

	jit_format_duration(wanted < role->max_duration ? wanted : role->max_duration, duration, sizeof(duration));
	printf("allowed: %s may ask for role %s on %s, for %s\n", asked->who, role->name, asked->host, duration);
	if (wanted > role->max_duration)
		printf("the time is cut to max_duration (%s:%u)\n", conf->path,
		       jb_conf_line(&role->lines, JB_KEY_MAX_DURATION));
	struct jb_request request = {
		.requester = own(asked->who), .login_user = own(asked->login_user), .role = own(asked->role)};
	for (size_t i = 0; i < conf->person_count; i++) {
		if (!jb_policy_may_decide(conf, &request, conf->persons[i].name).allowed)
			continue;
		printf("%s%s", approvers++ ? " " : "who may approve it: ", conf->persons[i].name);
	}
	if (approvers)
		printf("; %u must (%s:%u)\n", role->approvals, conf->path,
		       jb_conf_line(&role->lines, JB_KEY_APPROVERS));
	if (role->auto_approve == JB_AUTO_SIMULATED)
		printf("with simulateApproval it is approved without a person (%s:%u)\n", conf->path,
		       jb_conf_line(&role->lines, JB_KEY_AUTO_APPROVE));
	else if (approvers < role->approvals)
		printf("but only %u may approve it, so it could never be granted\n", approvers);
	if (role->reason_required && !asked->reason)
		printf("a reason will be asked for (%s:%u)\n", conf->path, jb_conf_line(&role->lines, JB_KEY_REASON));
	return 0;
}

static int explain(const struct jb_conf *conf, const struct asked *asked)
{
	const struct jb_role *role = jb_conf_role(conf, asked->role);
	uint64_t wanted = role ? role->max_duration : 1;

	if (asked->duration && (jit_parse_duration(asked->duration, INT32_MAX, &wanted) < 0 || wanted == 0)) {
		fprintf(stderr, "jit-broker: --duration is a time like 90s, 15m or 4h\n");
		return 2;
	}
	struct jb_request request = {
		.status = JB_PENDING,
		.host = own(asked->host),
		.requester = own(asked->who),
		.login_user = own(asked->login_user),
		.role = own(asked->role),
		.role_arn = role ? role->arn : NULL,
		.service = own(asked->service),
		.target = own(asked->target),
		.reason = own(asked->reason ? asked->reason : "check"),
		.ticket = own(asked->ticket),
		.public_key = own("{}"), /* the helper always has one */
		.duration = (int64_t)(role && wanted > role->max_duration ? role->max_duration : wanted),
	};
	struct jb_decision d = jb_policy_allows(conf, &request, NULL, jit_wall_s());
	if (d.allowed && role)
		return explain_yes(conf, role, asked, wanted);
	printf("refused, %s: %s\n", d.code, d.message);
	print_where(conf, d.line);
	return 1;
}

int jb_cmd_check(int argc, char **argv)
{
	struct asked asked = {.config = JB_CONF_DEFAULT};

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("usage: jit-broker %s\n", how);
		return 0;
	}
	if (!read_options(argc, argv, &asked) ||
	    ((asked.who || asked.host || asked.role) && (!asked.who || !asked.host || !asked.role))) {
		fprintf(stderr, "usage: jit-broker %s\n", how);
		return 2;
	}
	CONF *conf = jb_conf_read(asked.config, print_error, NULL);
	if (!conf)
		return 1;
	if (asked.who)
		return explain(conf, &asked);
	printf("%s is in order: %zu roles, %zu groups, %zu persons\n", conf->path, conf->role_count, conf->group_count,
	       conf->person_count);
	return 0;
}
