/* See gate.h. */
#include "gate.h"

#include "args.h"
#include "channel.h"
#include "client.h"
#include "clock.h"
#include "elevation.h"
#include "exchange.h"
#include "frame.h"
#include "lifetime.h"
#include "proto.h"
#include "question.h"
#include "quiet.h"
#include "ring.h"
#include "talk.h"
#include "terminal.h"
#include "text.h"
#include "user.h"
#include "verdict.h"
#include "who.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define CONNECT_MS  5000 /* longest wait for a helper whose queue is full */
#define GRACE_MS    2000 /* the helper decides before the module gives up */
#define OPEN_WAIT_S 15	 /* nobody is asked in open_session: the helper knows the grant or does not */
#define MARGIN_MS   3000 /* before sshd or login ends itself: the refusal has to reach the person */
#define LEAST_MS    2000 /* to be worth a question */
#define OBSERVE_MS  900	 /* nobody is to feel that the module watches */
#define CONFIRM_MS  5000 /* for the second verdict where there are no keyrings */

/* One call of one phase. */
struct visit {
	pam_handle_t *pamh;
	enum pj_phase phase;
	struct pj_args args;
	struct pj_who who;
	struct pj_talk talk;
	struct pj_quiet quiet;
	int64_t until;		 /* when it is over (jit_boottime_ms) */
	int fd;			 /* to the helper; -1 */
	struct pj_answer answer; /* its frame comes last, and is no sooner touched than it is filled */
};

__attribute__((format(printf, 3, 4))) static void fail(struct visit *v, uint32_t outcome, const char *format, ...)
{
	char text[JIT_LINE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	v->answer.outcome = outcome;
	jit_text_clean_str(v->answer.text, sizeof(v->answer.text), text);
}

/* "op1 for root": whom the log speaks of. */
static void name_parties(const struct visit *v, char *buf, size_t size)
{
	const char *requester = v->who.requester[0] ? v->who.requester : "somebody unknown";

	if (v->who.target[0] && strcmp(v->who.target, v->who.requester) != 0)
		snprintf(buf, size, "%s for %s", requester, v->who.target);
	else
		snprintf(buf, size, "%s", requester);
}

/* The one line to the log and, for a refusal, to the person; the phase's code. */
static int conclude(struct visit *v)
{
	const struct pj_answer *a = &v->answer;
	bool refused = a->outcome != JIT_ALLOW && a->outcome != JIT_IGNORE;
	const char *text = a->text[0] ? a->text : pj_verdict_sentence(a->outcome);
	char parties[2 * JIT_NAME_SIZE + 8], line[JIT_LINE_SIZE + 8];

	name_parties(v, parties, sizeof(parties));
	pam_syslog(v->pamh, refused ? LOG_NOTICE : LOG_INFO, "%s %s: %s%s%s", parties, pj_verdict_word(a->outcome),
		   text, a->grant[0] ? ", grant " : "", a->grant);
	if (refused || (a->outcome == JIT_ALLOW && a->text[0] && v->talk.live)) {
		snprintf(line, sizeof(line), "jit: %s", text);
		pj_talk_say(&v->talk, refused, line);
	}
	return pj_verdict_code(a->outcome, v->phase, v->args.app);
}

/* The line is broken or nobody knows who asks: refused, but in observe mode, which never refuses anybody. */
static int reject(struct visit *v, const char *why)
{
	fail(v, PJ_BROKEN, "%s", why);
	if (!v->args.observe)
		return conclude(v);
	pam_syslog(v->pamh, LOG_WARNING, "observing: would refuse: %s", v->answer.text);
	return PAM_IGNORE;
}

/* Whom the line spares, with a line in the log that says so. */
static bool is_spared(const struct visit *v)
{
	const struct pj_who *who = &v->who;
	char by[JIT_NAME_SIZE + 8];

	if (pj_who_is_root(v->args.app, who)) {
		pam_syslog(v->pamh, LOG_INFO, "%s passes: real uid 0 started %s", who->requester,
			   pj_app_name(v->args.app));
	} else if (v->phase == PJ_ACCOUNT && pj_who_runs_nothing(v->args.app, who)) {
		if (v->args.debug)
			pam_syslog(v->pamh, LOG_DEBUG, "%s passes: sudo runs nothing (%s)", who->requester,
				   who->command);
	} else if (pj_who_is_exempt(&v->args, who, by, sizeof(by))) {
		pam_syslog(v->pamh, LOG_NOTICE, "%s passes: exempt as %s", who->requester, by);
	} else {
		/* account has told the log already; open_session begins nothing. */
		return v->args.observe && v->phase == PJ_OPEN;
	}
	return true;
}

/* Everything that is decided without the helper. True when settled, with the phase's code. */
static bool is_settled(struct visit *v, int argc, const char **argv, int *ret_code)
{
	const void *service = NULL;
	char why[JIT_LINE_SIZE];

	pam_get_item(v->pamh, PAM_SERVICE, &service);
	v->args.app = pj_app_of_service(service); /* for a line that cannot be read */
	int r = pj_args_parse(argc, argv, service, &v->args, why, sizeof(why));
	pj_talk_start(&v->talk, v->pamh, v->phase, v->args.app);
	*ret_code = PAM_IGNORE;
	if (r == 0 && pj_args_spare_service(&v->args, service)) {
		pam_syslog(v->pamh, LOG_INFO, "service %s passes: exempt", (const char *)service);
		return true;
	}
	if (r == 0)
		r = pj_who_find(v->pamh, v->phase, &v->args, &v->who, why, sizeof(why));
	if (r == 0 && is_spared(v))
		return true;
	if (r == 0)
		r = pj_who_find_role(&v->args, &v->who, why, sizeof(why));
	if (r < 0)
		*ret_code = reject(v, why);
	return r < 0;
}

/* Where the socket's folder is not root's, anybody could listen: only root and the helper's user are believed. */
static bool peer_is_trusted(struct visit *v)
{
	struct pj_user helper;
	uid_t peer;
	int r = pj_channel_peer(v->fd, &peer);

	if (r < 0) {
		fail(v, JIT_UNAVAILABLE, "it cannot be told who listens at %s: %s", v->args.socket, strerror(-r));
		return false;
	}
	if (peer == 0 || (pj_user_by_name(v->args.helper_user, &helper) == 0 && helper.uid == peer))
		return true;
	fail(v, PJ_BROKEN, "%s belongs to uid %u, who is neither root nor %s; tell this host's operator",
	     v->args.socket, peer, v->args.helper_user);
	return false;
}

static bool connect_helper(struct visit *v)
{
	int64_t longest = jit_boottime_ms() + CONNECT_MS;
	int r = pj_channel_connect(v->args.socket, &v->quiet, longest < v->until ? longest : v->until, &v->fd);

	if (r == -EINTR)
		fail(v, JIT_CANCELLED, "%s", pj_verdict_sentence(JIT_CANCELLED));
	else if (r == -ENOENT || r == -ECONNREFUSED)
		fail(v, JIT_UNAVAILABLE, "jit-helper is not running (nobody listens at %s); tell this host's operator",
		     v->args.socket);
	else if (r == -ETIMEDOUT)
		fail(v, JIT_UNAVAILABLE, "jit-helper is too busy to answer; try again");
	else if (r < 0)
		fail(v, JIT_UNAVAILABLE, "jit-helper cannot be reached at %s: %s", v->args.socket, strerror(-r));
	return r == 0 && peer_is_trusted(v);
}

/* When the visit has to be over. False where the application ends before anybody could decide. */
static bool set_deadline(struct visit *v)
{
	int64_t now = jit_boottime_ms(), wait = (int64_t)v->args.timeout * 1000, left;

	v->until = now + OBSERVE_MS;
	if (v->args.observe)
		return true;
	if (v->phase == PJ_OPEN && wait > OPEN_WAIT_S * 1000)
		wait = OPEN_WAIT_S * 1000;
	/* LoginGraceTime and LOGIN_TIMEOUT are for account alone. */
	left = v->phase == PJ_ACCOUNT ? pj_lifetime_left_ms(&v->args) : PJ_UNLIMITED;
	if (left != PJ_UNLIMITED && left - MARGIN_MS < LEAST_MS) {
		fail(v, JIT_TIMED_OUT,
		     "the time to log in is nearly over (%s), too little to ask anybody; log in again",
		     v->args.app == PJ_SSHD ? "LoginGraceTime of sshd" : "LOGIN_TIMEOUT of login");
		return false;
	}
	if (left != PJ_UNLIMITED && left - MARGIN_MS < wait)
		wait = left - MARGIN_MS;
	v->until = now + wait + GRACE_MS;
	return true;
}

/* What is left of the visit's time, as the helper is told it. */
static uint32_t wait_seconds(const struct visit *v)
{
	int64_t left = v->until - jit_boottime_ms() - (v->args.observe ? 0 : GRACE_MS);

	return left > 0 ? (uint32_t)((left + 999) / 1000) : 1;
}

/* Asks the helper; v->answer then stands, and v->fd is open where that is of use. */
static void consult(struct visit *v)
{
	bool is_open = v->phase == PJ_OPEN;
	struct jit_frame question;

	if (!set_deadline(v) || !connect_helper(v))
		return;
	struct pj_exchange how = {
		.fd = v->fd,
		.client = v->args.app == PJ_SSHD && !is_open ? pj_client_find(v->who.rhost) : -1,
		.terminal = is_open ? pj_terminal_open(v->args.app, v->who.tty) : -1,
		.bare = v->args.observe,
		.phase = v->phase,
		.deadline = v->until,
		.quiet = &v->quiet,
		.talk = &v->talk,
	};
	struct pj_terms terms = {.wait_s = wait_seconds(v), .live = v->talk.live};
	pj_question_build(v->pamh, v->phase, &v->args, &v->who, &terms, &question);
	pj_exchange(&how, &question, &v->answer);
	if (how.terminal >= 0)
		close(how.terminal);
	if (v->args.debug)
		pam_syslog(v->pamh, LOG_DEBUG, "%s from jit-helper", pj_verdict_word(v->answer.outcome));
}

static bool send_taken(struct visit *v)
{
	struct jit_frame taken;

	jit_frame_start(&taken, JIT_F_TAKEN);
	if (jit_frame_send(v->fd, &taken) == 0)
		return true;
	fail(v, JIT_UNAVAILABLE, "jit-helper went away with its answer half given; try again");
	return false;
}

static bool put_env(struct visit *v, const char *env)
{
	if (pam_putenv(v->pamh, env) == PAM_SUCCESS)
		return true;
	fail(v, PJ_BROKEN, "the session's environment cannot be set; try again");
	return false;
}

static void accept_account(struct visit *v)
{
	char env[sizeof(JIT_GRANT_ENV) + 1 + JIT_ID_SIZE];

	snprintf(env, sizeof(env), "%s=%s", JIT_GRANT_ENV, v->answer.grant);
	if (v->answer.grant[0] && !put_env(v, env))
		return;
	if (!send_taken(v) && v->answer.grant[0])
		pam_putenv(v->pamh, JIT_GRANT_ENV);
}

/*
 * No keyrings here: whether the session may stand without a token is the helper's to say, in a second verdict.
 */
static bool confirm_without_ring(struct visit *v, int why)
{
	struct pj_exchange how = {
		.fd = v->fd,
		.client = -1,
		.terminal = -1,
		.bare = true,
		.phase = PJ_OPEN,
		.deadline = jit_boottime_ms() + CONFIRM_MS,
		.quiet = &v->quiet,
		.talk = &v->talk,
	};
	struct pj_answer second = {.outcome = JIT_INVALID};
	struct jit_frame taken;

	/* ENV still stands in the frame: the token alone is wiped. */
	explicit_bzero(v->answer.frame.data + (v->answer.token - v->answer.frame.data), JIT_TOKEN_LEN);
	jit_frame_start(&taken, JIT_F_TAKEN);
	jit_frame_put_u32(&taken, JIT_T_KEYRING, 0);
	pj_exchange(&how, &taken, &second);
	if (second.outcome != JIT_ALLOW) {
		fail(v, second.outcome == JIT_IGNORE ? JIT_INVALID : second.outcome, "%s", second.text);
		return false;
	}
	pam_syslog(v->pamh, LOG_WARNING,
		   "no session keyring can be had here (%s): the elevated session is known by descent alone, which is "
		   "weaker",
		   strerror(-why));
	return true;
}

/* Puts the token where the session's processes, and they alone, find it, and tells the helper. */
static bool hand_over_token(struct visit *v, int32_t *ret_key)
{
	int32_t key = 0;

	int r = pj_ring_place(v->args.app, v->who.uid, v->answer.token, v->answer.remaining, &key);
	if (pj_ring_is_denied(r)) {
		*ret_key = 0;
		return confirm_without_ring(v, r);
	}
	if (r < 0) {
		fail(v, PJ_BROKEN,
		     "no session keyring can be had here (%s), so that nothing was granted; "
		     "tell this host's operator",
		     strerror(-r));
		return false;
	}
	if (!send_taken(v)) {
		pj_ring_drop(key);
		return false;
	}
	*ret_key = key;
	return true;
}

static void accept_open(struct visit *v)
{
	char env[JIT_FRAME_MAX];
	bool good = true;
	int32_t key;

	if (!hand_over_token(v, &key))
		return;
	int r = pj_elevation_keep(v->pamh, v->fd, key);
	if (r < 0) {
		if (key)
			pj_ring_drop(key);
		fail(v, PJ_BROKEN, "the elevation cannot be kept: %s; try again", strerror(-r));
		return;
	}
	v->fd = -1; /* the elevation's from here on */
	for (unsigned n = 0; good && pj_answer_env(&v->answer, n, env, sizeof(env)); n++)
		good = put_env(v, env);
	if (!good)
		pj_elevation_end(v->pamh);
}

/* The one line of an observed visit, in account: what would have become of it. Nobody is shown anything. */
static void note_observed(struct visit *v)
{
	const struct pj_answer *a = &v->answer;
	const char *text = a->text[0] ? a->text : pj_verdict_sentence(a->outcome);
	char parties[2 * JIT_NAME_SIZE + 8];

	name_parties(v, parties, sizeof(parties));
	pam_syslog(v->pamh, LOG_NOTICE, "observing: %s%s (%s, service %s, tty %s, rhost %s, command %s)",
		   a->outcome == JIT_IGNORE ? "" : "would be refused: ", text, parties, v->who.service, v->who.tty,
		   v->who.rhost, v->who.command);
}

/* Says to the log, and to a person who is not only observed, what came of it. */
static int finish(struct visit *v)
{
	if (!v->args.observe)
		return conclude(v);
	note_observed(v);
	return PAM_IGNORE;
}

static int visit(struct visit *v, int argc, const char **argv)
{
	int code;

	if (is_settled(v, argc, argv, &code))
		return code;
	int r = pj_quiet_begin(&v->quiet);
	if (r < 0) {
		fail(v, JIT_UNAVAILABLE, "the wait for a decision cannot begin: %s; try again", strerror(-r));
		return finish(v);
	}
	consult(v);
	if (v->answer.outcome == JIT_ALLOW && !v->args.observe && v->phase == PJ_ACCOUNT)
		accept_account(v);
	else if (v->answer.outcome == JIT_ALLOW && !v->args.observe)
		accept_open(v);
	/* First the helper learns that it is over, then the person, and last the signal strikes that may have ended it.
	 */
	if (v->fd >= 0)
		close(v->fd);
	pj_talk_end(&v->talk);
	code = finish(v);
	jit_frame_wipe(&v->answer.frame);
	pj_quiet_end(&v->quiet);
	return code;
}

static int begin(pam_handle_t *pamh, enum pj_phase phase, int argc, const char **argv)
{
	struct visit v;

	memset(&v, 0, offsetof(struct visit, answer.frame.data));
	v.pamh = pamh;
	v.phase = phase;
	v.args.app = PJ_OTHER;
	v.fd = -1;
	fail(&v, JIT_INVALID, "%s", "");
	return visit(&v, argc, argv);
}

int pj_gate_account(pam_handle_t *pamh, int argc, const char **argv)
{
	return begin(pamh, PJ_ACCOUNT, argc, argv);
}

int pj_gate_open(pam_handle_t *pamh, int argc, const char **argv)
{
	return begin(pamh, PJ_OPEN, argc, argv);
}

int pj_gate_close(pam_handle_t *pamh)
{
	return pj_elevation_end(pamh) ? PAM_SUCCESS : PAM_IGNORE;
}
