/* See serve.h. */
#include "serve.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "ambient.h"
#include "api.h"
#include "attend.h"
#include "aws_role.h"
#include "clock.h"
#include "conf.h"
#include "conf_check.h"
#include "confine.h"
#include "deadline.h"
#include "engine.h"
#include "evloop.h"
#include "exit.h"
#include "harden.h"
#include "issuer.h"
#include "issuer_watch.h"
#include "log.h"
#include "reload.h"
#include "sandbox.h"
#include "server.h"
#include "stop.h"
#include "store.h"
#include "watchdog.h"

struct broker {
	struct event_base *base;
	struct jb_running running;
	struct jb_issuer *issuer;
	struct jb_attend *attend;
	struct jb_stop *stop; /* NULL: nobody has said so */
	struct jb_watchdog *watchdog;
	struct event *signals[3];
};

static void tell_error(void *arg, const char *message)
{
	(void)arg;
	jit_log(LOG_ERR, "%s", message);
}

static void on_stop(evutil_socket_t signal_number, short what, void *arg)
{
	struct broker *broker = arg;

	(void)what;
	if (broker->stop) { /* told twice: at once */
		event_base_loopbreak(broker->base);
		return;
	}
	jit_log(LOG_NOTICE, "stopping on signal %d", (int)signal_number);
	sd_notify(0, "STOPPING=1");
	if (broker->running.server)
		broker->stop = jb_stop_new(broker->base, &broker->running);
	else
		event_base_loopbreak(broker->base);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *arg)
{
	struct broker *broker = arg;
	struct timespec now;

	(void)signal_number;
	(void)what;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)now.tv_sec * 1000000 + (long long)now.tv_nsec / 1000);
	const bool changed = jb_reload(&broker->running);
	sd_notifyf(0, "READY=1\nSTATUS=%s",
		   changed ? "" : "the new configuration was refused, and the old one counts; the log says why");
}

static int watch_signals(struct broker *broker)
{
	static const struct {
		int number;
		event_callback_fn heed;
	} signals[] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_hangup}};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		broker->signals[i] = evsignal_new(broker->base, signals[i].number, signals[i].heed, broker);
		if (!broker->signals[i] || event_add(broker->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

/* It turns the loop, where nothing that a signal asks for can be done yet: what comes meanwhile is heeded after it. */
static int fetch_roles(struct broker *broker)
{
	sigset_t held, before;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
	jb_aws_role_serve(broker->base, broker->running.conf);
	int watched = watch_signals(broker);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return watched;
}

/* The socket that systemd passed over, -1 where there is none, -2 where there are more. */
static int passed_socket(void)
{
	int n = sd_listen_fds(1);

	if (n > 1) {
		jit_log(LOG_ERR, "systemd passed %d sockets; the broker takes one", n);
		return -2;
	}
	return n == 1 ? SD_LISTEN_FDS_START : -1;
}

static int open_parts(struct broker *broker, char *why, size_t why_size)
{
	struct jb_running *r = &broker->running;

	snprintf(why, why_size, "out of memory");
	broker->base = event_base_new();
	if (!broker->base || jb_deadline_reserve(broker->base) < 0 || fetch_roles(broker) < 0)
		return -1;
	r->store = jb_store_open(r->conf, why, why_size);
	if (!r->store)
		return -1;
	broker->issuer = jb_issuer_new(broker->base, r->conf, why, why_size);
	if (!broker->issuer)
		return -1;
	snprintf(why, why_size, "out of memory");
	broker->issuer = jb_issuer_watch_new(broker->issuer);
	if (!broker->issuer || jb_watchdog_new(broker->base, r->store, &broker->watchdog) < 0)
		return -1;
	r->engine = jb_engine_new(r->conf, r->store, broker->issuer, jit_wall_s());
	snprintf(why, why_size, "%s", r->engine ? "out of memory" : jb_store_error(r->store));
	if (r->engine)
		r->api = jb_api_new(broker->base, r->conf, r->store, r->engine);
	if (r->api)
		broker->attend = jb_attend_new(broker->base, r->store, r->api);
	if (broker->attend)
		r->notify = jb_notify_new(broker->base, r->conf, r->store);
	return r->notify ? 0 : -1;
}

static int open_server(struct broker *broker, char *why, size_t why_size)
{
	struct jb_running *r = &broker->running;
	const struct jb_server_options options = {
		.address = r->conf->listen_address,
		.port = r->conf->listen_port,
		.listen_fd = passed_socket(),
		.answered = jb_api_answered,
		.max_connections = r->conf->max_connections,
		.tls = r->conf->tls,
		.tls_certificate = r->conf->tls_certificate,
		.tls_key = r->conf->tls_key,
		.tls_client_ca = r->conf->tls_client_ca,
	};

	snprintf(why, why_size, "it was given more than one socket");
	if (options.listen_fd == -2)
		return -1;
	/* Who finds the port open finds the proxy's socket there too. */
	if (r->conf->proxy_socket && !(r->proxy = jb_proxy_new(broker->base, r->conf, r->api, why, why_size)))
		return -1;
	r->server = jb_server_new(broker->base, &options, jb_api_handle, r->api, why, why_size);
	if (!r->server)
		return -1;
	jb_api_watch(r->api, r->server, broker->issuer, r->notify);
	return 0;
}

/* Callers before callees: who waits is told, then nobody is left who could call. */
static void close_all(struct broker *broker)
{
	struct jb_running *r = &broker->running;

	jb_stop_free(broker->stop);
	jb_watchdog_free(broker->watchdog);
	jb_proxy_free(r->proxy);
	jb_server_free(r->server);
	jb_attend_free(broker->attend);
	jb_api_free(r->api);
	jb_notify_free(r->notify);
	jb_issuer_free(broker->issuer);
	jb_engine_free(r->engine);
	jb_store_close(r->store);
	for (size_t i = 0; i < sizeof(broker->signals) / sizeof(broker->signals[0]); i++)
		if (broker->signals[i])
			event_free(broker->signals[i]);
	jb_aws_role_stop();
	if (broker->base)
		event_base_free(broker->base);
	if (r->conf != r->started)
		jb_conf_free(r->conf);
	jb_conf_free(r->started);
	jit_sandbox_free(r->sandbox);
}

/* All that is opened once is open, and nobody was served yet. */
static int confine(struct broker *broker, char *why, size_t why_size)
{
	struct jb_running *r = &broker->running;
	int confined = jb_confine(r->conf, &r->sandbox, why, why_size);

	if (confined >= 0)
		jit_log(confined > 0 ? LOG_WARNING : LOG_INFO, "%s", why);
	return confined < 0 ? -1 : 0;
}

/* Before the first key is read. */
static int lock_secrets(const struct broker *broker, char *why, size_t why_size)
{
	int locked = jb_harden_secrets(broker->running.conf->max_connections, why, why_size);

	if (locked > 0)
		jit_log(LOG_WARNING, "%s", why);
	return locked < 0 ? -1 : 0;
}

static int run(struct broker *broker)
{
	char why[512];

	if (lock_secrets(broker, why, sizeof(why)) < 0 || open_parts(broker, why, sizeof(why)) < 0 ||
	    open_server(broker, why, sizeof(why)) < 0 || confine(broker, why, sizeof(why)) < 0) {
		jit_log(LOG_ERR, "the broker cannot start: %s", why);
		return JB_EXIT_FAILED; /* tried again: its port may be somebody's yet, its store locked */
	}
	if (strcmp(broker->running.conf->issuer, "demo") == 0)
		jit_log(LOG_WARNING, "issuer = demo: the credentials it hands out open nothing");
	if (jb_server_room(broker->running.server) < broker->running.conf->max_connections)
		jit_log(LOG_WARNING,
			"max_connections is %u, but the limit of open files (LimitNOFILE in the unit) allows for %u",
			broker->running.conf->max_connections, jb_server_room(broker->running.server));
	jit_log(LOG_NOTICE, "jit-broker %s serves %s on %s port %u", JIT_VERSION,
		broker->running.conf->tls ? "https" : "http", broker->running.conf->listen_address,
		jb_server_port(broker->running.server));
	sd_notify(0, "READY=1");
	return jit_evloop_run(broker->base) < 0 ? JB_EXIT_FAILED : JB_EXIT_OK;
}

static const char *const help = "usage: jit-broker serve [--config FILE]\n"
				"Runs the broker in the foreground until SIGTERM or SIGINT. SIGHUP reads its\n"
				"configuration, certificate and key anew; a file with errors changes nothing.\n"
				"  -c, --config FILE  its configuration (default " JB_CONF_DEFAULT ")\n";

/* A secret that is wrong is told at once, and again by who wants it: what needs none of it goes on without. */
static bool may_start(const struct jb_conf *conf)
{
	if (!conf || jb_conf_check_authorities(conf, tell_error, NULL) > 0)
		return false;
	jb_conf_check_secrets(conf, tell_error, NULL);
	return true;
}

/* It passes by itself: what was to be read could not be for want of memory or descriptors. */
static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* Its links are left for whoever opens it to judge. The caller frees it; NULL with errno. */
static char *absolute(const char *path)
{
	char here[PATH_MAX], *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (!getcwd(here, sizeof(here)) || asprintf(&whole, "%s/%s", here, path) < 0)
		return NULL;
	return whole;
}

int jb_cmd_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *path = JB_CONF_DEFAULT;
	struct broker broker = {0};
	int option, status;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return JB_EXIT_OK;
		}
		if (option != 'c') {
			fputs(help, stderr);
			return JB_EXIT_USAGE;
		}
		path = optarg;
	}
	if (optind < argc) {
		fputs(help, stderr);
		return JB_EXIT_USAGE;
	}
	int hardened = jit_ambient_forget();
	if (hardened == 0)
		hardened = jb_harden();
	if (hardened < 0) {
		jit_log(LOG_ERR, "cannot harden the process: %s", strerror(-hardened));
		return JB_EXIT_FAILED;
	}
	/* The sandbox knows it by this, for the reloads to come. */
	errno = 0;
	char *from_root = absolute(path);
	if (from_root)
		broker.running.conf = broker.running.started = jb_conf_read(from_root, tell_error, NULL);
	else
		jit_log(LOG_ERR, "cannot tell where %s is: %s; give its whole path", path, strerror(errno));
	/* The unit does not try again what only an administrator can mend. */
	if (may_start(broker.running.conf))
		status = run(&broker);
	else
		status = is_shortage(errno) ? JB_EXIT_FAILED : JB_EXIT_CONFIG;
	close_all(&broker);
	free(from_root);
	OPENSSL_cleanup(); /* what a search for leaks cannot follow into the locked heap */
	return status;
}
