/*
 * bootstrap: the broker as AWS Lambda runs it (provided.al2023). One program for
 * all functions; which one it is, _HANDLER says. The configuration is that of
 * jit-broker(8).
 */
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "aws_keys.h"
#include "aws_post.h"
#include "clock.h"
#include "conf.h"
#include "engine.h"
#include "exit.h"
#include "harden.h"
#include "issuer.h"
#include "lambda_call.h"
#include "lambda_functions.h"
#include "lambda_owed.h"
#include "lambda_runtime.h"
#include "lambda_step.h"
#include "lambda_sweep.h"
#include "log.h"
#include "notify.h"
#include "ssm.h"
#include "store.h"

#define TASK_ROOT    "/var/task"
#define CONF_NAME    "jit-broker.conf"
#define SECRETS_MS   6000 /* of the ten seconds that Lambda gives a start */
#define SECRET_LEAST 16
#define SECRET_HEAP  (2 * 1024 * 1024) /* all channels at once, each call with its session token and its answer */

struct parts {
	struct jb_conf *conf;
	struct jb_store *store;
	struct jb_issuer *issuer;
	struct jb_engine *engine;
	struct jb_lambda_broker broker;
};

/* What start() could not do, as the platform shows it. */
struct fault {
	const char *error;
	char message[1024];
};

static const char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

static int fail(struct fault *fault, const char *error, const char *message)
{
	fault->error = error;
	snprintf(fault->message, sizeof(fault->message), "%s", message);
	return -1;
}

/* The first error goes into the report, all of them into the log. */
static void on_conf_error(void *arg, const char *message)
{
	struct fault *fault = arg;

	jit_log(LOG_ERR, "%s", message);
	if (!*fault->message)
		fail(fault, "Configuration.Invalid", message);
}

/* No sandbox of its own beside that: the platform has one for each function, and it would be a third of its start. */
static int harden(struct fault *fault)
{
	return jb_harden() < 0 ? fail(fault, "Function.Harden", "The process cannot be hardened.") : 0;
}

static int choose_function(struct parts *parts, struct fault *fault)
{
	const char *name = setting("_HANDLER", "");

	parts->broker.function = jb_function_find(name);
	parts->broker.host = setting("JIT_DIRECT_HOST", NULL);
	if (parts->broker.function)
		return 0;
	char names[512], message[1024];
	jb_function_names(names, sizeof(names));
	snprintf(message, sizeof(message), "The handler '%s' is none of this program's; set it to one of %s.", name,
		 names);
	return fail(fault, "Function.Unknown", message);
}

static bool put(char **at, const char *prefix, const char *value)
{
	char *text;

	if (!value)
		return true;
	if (asprintf(&text, "%s%s", prefix, value) < 0)
		return false;
	free(*at);
	*at = text;
	return true;
}

/* What a stack has named by itself, and no file can know before: it takes the place of what the configuration says. */
static int take_settings(struct jb_conf *conf, struct fault *fault)
{
	const char *region = setting("AWS_REGION", NULL);
	const char *store_region = conf->lines.key[JB_KEY_STORE_REGION] ? NULL : region;
	const char *issuer_region = conf->lines.key[JB_KEY_ISSUER_REGION] ? NULL : region;
	const char *ssm_region = conf->lines.key[JB_KEY_SSM_REGION] ? NULL : region;
	struct jb_arn arn;

	if (!put(&conf->store, "dynamodb:", setting("JIT_TABLE", NULL)) ||
	    !put(&conf->workflow, "", setting("JIT_WORKFLOW", NULL)) ||
	    !put(&conf->issue_workflow, "", setting("JIT_EXPRESS_WORKFLOW", NULL)) ||
	    !put(&conf->issue_function, "", setting("JIT_ISSUING_FUNCTION", NULL)) ||
	    !put(&conf->ssm_path, "", setting("JIT_NOTIFY_PATH", NULL)) || !put(&conf->ssm_region, "", ssm_region) ||
	    !put(&conf->store_region, "", store_region) || !put(&conf->issuer_region, "", issuer_region) ||
	    (!conf->store_credentials && !put(&conf->store_credentials, "", JB_AWS_ENVIRONMENT)) ||
	    (!conf->issuer_credentials && !put(&conf->issuer_credentials, "", JB_AWS_ENVIRONMENT)) ||
	    (!conf->workflow_credentials && !put(&conf->workflow_credentials, "", JB_AWS_ENVIRONMENT)))
		return fail(fault, "Function.OutOfMemory", "There is no memory for the configuration.");
	if (conf->workflow && !jb_arn_parse(conf->workflow, "states", "stateMachine", &arn))
		return fail(fault, "Configuration.Invalid", "JIT_WORKFLOW is no ARN of a state machine.");
	if (conf->ssm_path && !jb_ssm_is_path(conf->ssm_path))
		return fail(fault, "Configuration.Invalid", "JIT_NOTIFY_PATH is no path like /jit-broker/notify.");
	return 0;
}

static int read_conf(struct parts *parts, struct fault *fault)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" CONF_NAME, setting("LAMBDA_TASK_ROOT", TASK_ROOT));
	parts->conf = jb_conf_read_public(setting("JIT_BROKER_CONF", path), on_conf_error, fault);
	return parts->conf ? take_settings(parts->conf, fault) : -1;
}

/* Who tells people has to sign for it. */
static int open_notify(struct parts *parts, struct fault *fault)
{
	/* Where the platform does not let it be locked it is still wiped, and a function has no swap. */
	CRYPTO_secure_malloc_init(SECRET_HEAP, SECRET_LEAST);
	parts->broker.notify = jb_notify_new(parts->broker.base, parts->conf, parts->store);
	if (!parts->broker.notify)
		return fail(fault, "Function.OutOfMemory", "There is no memory for the broker.");
	jb_notify_try_secrets(parts->broker.notify, jit_boottime_ms() + SECRETS_MS);
	return 0;
}

static int open_parts(struct parts *parts, struct fault *fault)
{
	const enum jb_function_kind kind = jb_function_kind(parts->broker.function);
	char why[512] = "out of memory";

	parts->broker.base = event_base_new();
	parts->store = parts->broker.base ? jb_store_open(parts->conf, why, sizeof(why)) : NULL;
	if (!parts->store)
		return fail(fault, "Store.Unavailable", why);
	if (strncmp(parts->conf->store, "sqlite:", 7) == 0)
		jit_log(LOG_WARNING,
			"store = %s is this one instance's own and ends with it: good for trying, and for nothing else",
			parts->conf->store);
	parts->issuer = kind == JB_FUNCTION_ISSUE ? jb_issuer_own_new(parts->broker.base, parts->conf, why, sizeof(why))
						  : jb_issuer_new(parts->broker.base, parts->conf, why, sizeof(why));
	if (!parts->issuer)
		return fail(fault, "Issuer.Unavailable", why);
	parts->engine = jb_engine_new(parts->conf, parts->store, parts->issuer, jit_wall_s());
	if (!parts->engine)
		return fail(fault, "Store.Unavailable", jb_store_error(parts->store));
	if (kind == JB_FUNCTION_SWEEP && open_notify(parts, fault) < 0)
		return -1;
	if (kind != JB_FUNCTION_SWEEP && parts->conf->workflow &&
	    !(parts->broker.owed =
		      jb_lambda_owed_new(parts->broker.base, parts->conf, parts->engine, why, sizeof(why))))
		return fail(fault, "Configuration.Invalid", why);
	parts->broker.conf = parts->conf;
	parts->broker.store = parts->store;
	parts->broker.engine = parts->engine;
	parts->broker.issuer = parts->issuer;
	if (kind != JB_FUNCTION_API)
		return 0;
	parts->broker.api = jb_api_new(parts->broker.base, parts->conf, parts->store, parts->engine);
	return parts->broker.api ? 0 : fail(fault, "Function.OutOfMemory", "There is no memory for the broker.");
}

/* Callers before callees. */
static void close_parts(struct parts *parts)
{
	jb_api_free(parts->broker.api);
	jb_lambda_owed_free(parts->broker.owed);
	jb_notify_free(parts->broker.notify);
	jb_issuer_free(parts->issuer);
	jb_engine_free(parts->engine);
	jb_store_close(parts->store);
	if (parts->broker.base)
		event_base_free(parts->broker.base);
	jb_conf_free(parts->conf);
}

static jb_lambda_handler handler_of(const struct jb_function *function)
{
	switch (jb_function_kind(function)) {
	case JB_FUNCTION_STATUS:
	case JB_FUNCTION_ISSUE:
		return jb_lambda_step;
	case JB_FUNCTION_SWEEP:
		return jb_lambda_sweep;
	case JB_FUNCTION_API:
		break;
	}
	return jb_lambda_call;
}

static void serve(struct jb_lambda *lambda, struct parts *parts, struct fault *fault)
{
	char why[512];

	if (harden(fault) == 0 && choose_function(parts, fault) == 0 && read_conf(parts, fault) == 0 &&
	    open_parts(parts, fault) == 0) {
		jb_lambda_run(lambda, handler_of(parts->broker.function), &parts->broker, why, sizeof(why));
		jit_log(LOG_ERR, "%s", why);
		return;
	}
	jit_log(LOG_ERR, "the function cannot start: %s", fault->message);
	if (jb_lambda_fail_init(lambda, fault->error, fault->message, why, sizeof(why)) < 0)
		jit_log(LOG_ERR, "%s", why);
}

/* It never ends well: the platform ends it. */
int main(void)
{
	struct parts parts = {0};
	struct fault fault = {0};
	char why[512];
	struct jb_lambda *lambda = jb_lambda_new(getenv("AWS_LAMBDA_RUNTIME_API"), why, sizeof(why));

	if (lambda)
		serve(lambda, &parts, &fault);
	else
		jit_log(LOG_ERR, "%s", why);
	close_parts(&parts);
	jb_lambda_free(lambda);
	return JB_EXIT_FAILED;
}
