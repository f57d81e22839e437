/*
 * bootstrap: the broker as AWS Lambda runs it (provided.al2023). One program for
 * all functions; which one it is, _HANDLER says. The configuration is that of
 * jit-broker(8).
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api.h"
#include "clock.h"
#include "conf.h"
#include "engine.h"
#include "exit.h"
#include "issuer.h"
#include "lambda_call.h"
#include "lambda_functions.h"
#include "lambda_runtime.h"
#include "log.h"
#include "store.h"

#define TASK_ROOT "/var/task"
#define CONF_NAME "jit-broker.conf"

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

static int harden(struct fault *fault)
{
	const struct rlimit none = {0, 0};

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return fail(fault, "Function.Harden", "The process cannot be hardened.");
	return 0;
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

static int read_conf(struct parts *parts, struct fault *fault)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" CONF_NAME, setting("LAMBDA_TASK_ROOT", TASK_ROOT));
	parts->conf = jb_conf_read_public(setting("JIT_BROKER_CONF", path), on_conf_error, fault);
	return parts->conf ? 0 : -1;
}

static int open_parts(struct parts *parts, struct fault *fault)
{
	char why[512] = "out of memory";

	parts->broker.base = event_base_new();
	parts->store = parts->broker.base ? jb_store_open(parts->conf, why, sizeof(why)) : NULL;
	if (!parts->store)
		return fail(fault, "Store.Unavailable", why);
	if (strncmp(parts->conf->store, "sqlite:", 7) == 0)
		jit_log(LOG_WARNING,
			"store = %s is this one instance's own and ends with it: good for trying, and for nothing else",
			parts->conf->store);
	parts->issuer = jb_issuer_new(parts->broker.base, parts->conf, why, sizeof(why));
	if (!parts->issuer)
		return fail(fault, "Issuer.Unavailable", why);
	parts->engine = jb_engine_new(parts->conf, parts->store, parts->issuer, jit_wall_s());
	if (!parts->engine)
		return fail(fault, "Store.Unavailable", jb_store_error(parts->store));
	parts->broker.api = jb_api_new(parts->broker.base, parts->conf, parts->store, parts->engine);
	return parts->broker.api ? 0 : fail(fault, "Function.OutOfMemory", "There is no memory for the broker.");
}

/* Callers before callees. */
static void close_parts(struct parts *parts)
{
	jb_api_free(parts->broker.api);
	jb_issuer_free(parts->issuer);
	jb_engine_free(parts->engine);
	jb_store_close(parts->store);
	if (parts->broker.base)
		event_base_free(parts->broker.base);
	jb_conf_free(parts->conf);
}

static void serve(struct jb_lambda *lambda, struct parts *parts, struct fault *fault)
{
	char why[512];

	if (harden(fault) == 0 && choose_function(parts, fault) == 0 && read_conf(parts, fault) == 0 &&
	    open_parts(parts, fault) == 0) {
		jb_lambda_run(lambda, jb_lambda_call, &parts->broker, why, sizeof(why));
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
