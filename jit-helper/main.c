/* jit-helper: starts, drops what it does not need, serves until it is told to stop, and leaves nothing behind. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "ahead.h"
#include "ambient.h"
#include "certificate.h"
#include "changes.h"
#include "clock.h"
#include "confine.h"
#include "demo.h"
#include "elevation.h"
#include "ending.h"
#include "evloop.h"
#include "exit.h"
#include "grant.h"
#include "harden.h"
#include "helper.h"
#include "listen.h"
#include "log.h"
#include "pam_side.h"
#include "pamd.h"
#include "probe.h"
#include "proc.h"
#include "request.h"
#include "session_side.h"
#include "spare.h"
#include "spool.h"
#include "state.h"
#include "visit.h"
#include "withdraw.h"

#define STOP_MS 2000 /* how long the last words may take */
#define POLL_MS 20

struct options {
	const char *config;
	bool check, probe;
};

static void usage(FILE *to)
{
	fputs("Usage: jit-helper [--config FILE] [--check | --probe]\n"
	      "       jit-helper pam show | enable | disable ...   (jit-helper pam --help)\n"
	      "Asks the broker for PAM on this host and keeps the credentials of elevated sessions.\n\n"
	      "  --config FILE  read FILE instead of " JH_CONF_FILE "\n"
	      "  --check        say what is wrong with the configuration and the files it names, and exit\n"
	      "  --probe        the same, and what the broker answers, as JSON for `jit doctor`\n"
	      "  --version      print the version\n"
	      "  --help         print this\n",
	      to);
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"probe", no_argument, NULL, 'p'},	  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	int c;

	*ret = (struct options){.config = JH_CONF_FILE};
	while ((c = getopt_long(argc, argv, "c:", known, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->check = true;
			break;
		case 'p':
			ret->probe = true;
			break;
		case 'V':
			puts("jit-helper " JIT_VERSION);
			return JH_EXIT_OK;
		case 'h':
			usage(stdout);
			return JH_EXIT_OK;
		default:
			usage(stderr);
			return JH_EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	usage(stderr);
	return JH_EXIT_USAGE;
}

static void tell_error(void *arg, const char *message)
{
	(void)arg;
	jit_log(LOG_ERR, "%s", message);
}

static void on_stop(evutil_socket_t signo, short what, void *arg)
{
	struct jh_helper *h = arg;

	(void)signo;
	(void)what;
	event_base_loopexit(h->base, NULL);
}

/* The broker is still to hear what was withdrawn; a module that has just connected asks; and one that was let in, or
 * offered an elevation, says that it took it, and waits for no answer. */
static bool has_unsaid(const struct jh_helper *h)
{
	return !LIST_EMPTY(&h->withdrawals) || jh_listener_expects(h->pam) || jh_visits_let_in(h) ||
	       jh_elevations_offered(h);
}

/* What is not told within STOP_MS is left to the next jit-helper, or to the broker's own time-outs. */
static void stop(struct jh_helper *h)
{
	const struct timeval step = {.tv_usec = POLL_MS * 1000};

	sd_notify(0, "STOPPING=1");
	jit_log(LOG_NOTICE,
		"stopping: whoever waits is refused; grants and elevations are kept for the next jit-helper");
	/* Who comes now waits in the sockets' queues for the next jit-helper. */
	jh_listener_hold(h->pam, 2 * STOP_MS);
	jh_listener_hold(h->session, 2 * STOP_MS);
	jh_requests_cancel_all(h);
	for (int waited = 0; has_unsaid(h) && waited < STOP_MS; waited += POLL_MS) {
		event_base_loopexit(h->base, &step);
		jit_evloop_run(h->base);
		jh_requests_cancel_all(h); /* of who had come, and asked meanwhile */
	}
	jh_visits_drop_all(h);
	jh_withdraw_leave(h);
}

static void helper_free(struct jh_helper *h)
{
	jh_ahead_free_all(h);
	jh_state_free(h->state);
	h->state = NULL;
	jh_elevations_leave(h);
	while (!LIST_EMPTY(&h->grants))
		jh_grant_free(LIST_FIRST(&h->grants));
	jh_endings_free(h);
	jh_listener_free(h->pam);
	jh_listener_free(h->session);
	jh_changes_free(h->changes);
	jh_spool_free(h->spool);
	jh_broker_free(h->broker);
	jh_spare_free(h->spare);
	jh_alarms_free(h->alarms);
	if (h->in)
		OPENSSL_secure_clear_free(h->in, sizeof(*h->in));
	if (h->out)
		OPENSSL_secure_clear_free(h->out, sizeof(*h->out));
	if (h->term)
		event_free(h->term);
	if (h->interrupt)
		event_free(h->interrupt);
	if (h->base)
		event_base_free(h->base);
	jh_conf_free(h->conf);
}

static int serve(struct jh_helper *h)
{
	sd_notify(0, "READY=1");
	jit_log(LOG_NOTICE, "jit-helper " JIT_VERSION " serves; its broker is %s", jh_broker_url(h->broker));
	if (h->conf->demo)
		jit_log(LOG_WARNING, JH_DEMO_WARNING);
	int r = jit_evloop_run(h->base);
	stop(h);
	return r < 0 ? JH_EXIT_FAILED : JH_EXIT_OK;
}

/* Before anybody can connect: whoever is told to stop from then on stops in good order. */
static bool heed_signals(struct jh_helper *h)
{
	h->term = evsignal_new(h->base, SIGTERM, on_stop, h);
	h->interrupt = evsignal_new(h->base, SIGINT, on_stop, h);
	return h->term && h->interrupt && event_add(h->term, NULL) == 0 && event_add(h->interrupt, NULL) == 0;
}

/*
 * A lack of memory or descriptors passes by itself, and the unit tries again; what else it cannot start with an
 * administrator has to mend.
 */
static int fail(int error, const char *why)
{
	jit_log(LOG_ERR, "%s", why);
	return jh_proc_is_shortage(error) ? JH_EXIT_FAILED : JH_EXIT_CONFIG;
}

/* From here on as the unprivileged user, who must be able to tell the broker from somebody else. */
static int drop(const struct jh_conf *conf, char *why, size_t why_size)
{
	int r = jh_harden_drop(conf->user, why, why_size);

	return r < 0 ? r : jh_certificate_check_ca(conf, why, why_size);
}

/* Who misspells it finds out when no broker answers. */
static int check_glass_group(const char *name, char *why, size_t why_size)
{
	if (!name || getgrnam(name))
		return 0;
	snprintf(why, why_size, "break_glass_group %s does not exist: nobody could break the glass", name);
	return -1;
}

/* --check: the configuration has been read; is what it names there, for the user we become? */
static int check(struct jh_helper *h, const char *path)
{
	char why[JIT_LINE_SIZE] = "out of memory";

	h->base = event_base_new();
	if (!h->base || check_glass_group(h->conf->break_glass_group, why, sizeof(why)) < 0 ||
	    drop(h->conf, why, sizeof(why)) < 0 || !(h->broker = jh_broker_new(h->base, h->conf, why, sizeof(why)))) {
		fprintf(stderr, "jit-helper: %s\n", why);
		return JH_EXIT_FAILED;
	}
	if (jh_broker_trouble(h->broker)) {
		fprintf(stderr, "jit-helper: broker_auth = iam: %s\n", jh_broker_trouble(h->broker));
		return JH_EXIT_FAILED;
	}
	printf("%s is in order; the broker is %s\n", path, jh_broker_url(h->broker));
	if (h->conf->demo)
		puts(JH_DEMO_WARNING);
	return JH_EXIT_OK;
}

/* Whoever renews it is told in time, and once more when it is too late. */
static void warn_of_certificate(const struct jh_helper *h)
{
	const int64_t end = h->broker ? jh_broker_certificate_end(h->broker) : 0;
	char at[JIT_ISO_SIZE];

	if (!end || end > jit_wall_s() + JH_CERTIFICATE_SOON_S)
		return;
	jit_iso_format(end, at);
	jit_log(LOG_WARNING, "tls_certificate %s is good until %s alone: renew it and restart jit-helper",
		h->conf->tls_certificate, at);
}

/* Before anything comes from outside: no answer, no peer, nothing that an earlier jit-helper left. */
static int confine(const struct jh_conf *conf, char *why, size_t why_size)
{
	int r = jh_confine(conf, why, why_size);

	if (r >= 0)
		jit_log(r > 0 ? LOG_WARNING : LOG_INFO, "%s", why);
	return r < 0 ? r : 0;
}

/* What it serves with, made as whoever started us. JH_EXIT_OK: it has all of it. */
static int open_parts(struct jh_helper *h)
{
	struct jh_sockets sockets;
	char why[JIT_LINE_SIZE];

	h->base = event_base_new();
	h->alarms = h->base ? jh_alarms_new(h->base) : NULL;
	h->in = OPENSSL_secure_zalloc(sizeof(*h->in));
	h->out = OPENSSL_secure_zalloc(sizeof(*h->out));
	if (!h->alarms || !h->in || !h->out || !heed_signals(h))
		return fail(-ENOMEM, "out of memory or descriptors");
	h->broker = jh_broker_new(h->base, h->conf, why, sizeof(why));
	if (!h->broker)
		return fail(-errno, why);
	warn_of_certificate(h);
	int r = jh_listen(h->conf, &sockets, why, sizeof(why));
	if (r < 0)
		return fail(r, why);
	h->pam = jh_pam_side_new(h, sockets.pam);
	h->session = jh_session_side_new(h, sockets.session);
	return h->pam && h->session ? JH_EXIT_OK : fail(-ENOMEM, "out of memory");
}

/* What is kept is taken up, by the user that we are now. */
static int take_up(struct jh_helper *h)
{
	char why[JIT_LINE_SIZE];

	h->spare = jh_spare_new(h->alarms);
	h->state = jh_state_new(h);
	if (!h->spare || !h->state)
		return fail(-ENOMEM, "out of memory, or no boot id in /proc");
	h->spool = jh_spool_new(h); /* before what ends at once: it may have to be told */
	if (!h->spool)
		return fail(-ENOMEM, "out of memory or descriptors");
	int r = jh_state_restore(h, why, sizeof(why));
	if (r < 0)
		return fail(r, why);
	jh_spool_settle(h->spool);
	h->changes = jh_changes_new(h);
	return h->changes ? JH_EXIT_OK : fail(-ENOMEM, "out of memory");
}

/* Sockets and files as whoever started us, all else as the unprivileged user. JH_EXIT_OK: it can serve. */
static int prepare(struct jh_helper *h)
{
	char why[JIT_LINE_SIZE];
	int status = open_parts(h);

	if (status != JH_EXIT_OK)
		return status;
	int r = jh_state_prepare(h->conf, why, sizeof(why));
	if (r < 0)
		return fail(r, why);
	jh_spool_prepare(h->conf);
	r = drop(h->conf, why, sizeof(why));
	if (r < 0)
		return fail(r, why);
	if (!jh_harden_may_kill())
		jit_log(LOG_WARNING, "without CAP_KILL nothing that a role with on_expiry = end left running can be "
				     "ended; start jit-helper as root, or with AmbientCapabilities=CAP_KILL");
	r = confine(h->conf, why, sizeof(why));
	return r < 0 ? fail(r, why) : take_up(h);
}

int main(int argc, char **argv)
{
	struct jh_helper helper = {.passed = -1};
	struct options options;
	char why[JIT_LINE_SIZE];

	if (argc > 1 && strcmp(argv[1], "pam") == 0)
		return jh_pamd(argc - 1, argv + 1);
	int status = read_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (jit_ambient_forget() < 0)
		return JH_EXIT_FAILED;
	if (options.probe)
		return jh_probe(options.config);
	/* The unit does not try again what only an administrator can mend. */
	errno = 0;
	if (jh_conf_read(options.config, tell_error, NULL, &helper.conf) > 0)
		return options.check || jh_proc_is_shortage(-errno) ? JH_EXIT_FAILED : JH_EXIT_CONFIG;
	if (options.check) {
		status = check(&helper, options.config);
		helper_free(&helper);
		return status;
	}
	int r = jh_harden_start(jh_listen_inherited());
	if (r < 0) {
		jit_log(LOG_ERR, "cannot make this process safe: %s", strerror(-r));
		return JH_EXIT_FAILED;
	}
	r = jh_harden_secrets(why, sizeof(why));
	status = r < 0 ? fail(r, why) : prepare(&helper);
	if (status == JH_EXIT_OK)
		status = serve(&helper);
	helper_free(&helper);
	return status;
}
