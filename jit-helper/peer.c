/* See peer.h. */
#include "peer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "helper.h"
#include "log.h"
#include "unasked.h"

#define FIRST_FRAME_MS	5000
#define ACCEPT_PAUSE_MS 100 /* when no descriptor is free */
#define NO_MEMORY	"jit-helper is out of memory"

static const char FULL[] = "jit-helper has too many connections; try again in a moment";

struct jh_listener {
	struct jh_helper *helper;
	struct jh_listener_options options;
	int fd;
	struct event *readable;
	struct jh_alarm resume;
	bool turned_away; /* the last connection could not be taken */
	unsigned count;
	LIST_HEAD(jh_peer_list, jh_peer) peers;
};

/* A listener that expects descriptors is root's alone, who makes nobody wait. */
static int receive(const struct jh_peer *peer, struct jit_frame *frame)
{
	if (peer->listener->options.descriptors)
		return jit_frame_recv_fd(peer->fd, frame, &peer->helper->passed);
	return jit_unasked_recv(peer->fd, frame);
}

static void close_socket(const struct jh_listener *l, int fd)
{
	if (l->options.descriptors)
		close(fd);
	else
		jit_unasked_close(fd);
}

void jh_peer_close(struct jh_peer *peer)
{
	LIST_REMOVE(peer, link);
	peer->listener->count--;
	jh_alarm_clear(&peer->first_frame);
	if (peer->readable)
		event_free(peer->readable);
	if (peer->death)
		event_free(peer->death);
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	if (peer->fd >= 0)
		close_socket(peer->listener, peer->fd);
	free(peer);
}

static void peer_gone(struct jh_peer *peer)
{
	if (peer->owner->gone)
		peer->owner->gone(peer);
	jh_peer_close(peer);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct jh_peer *peer = arg;
	struct jh_helper *helper = peer->helper;
	struct jit_frame *frame = helper->in;

	(void)fd;
	(void)what;
	int r = receive(peer, frame);
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r == 1) {
		jh_alarm_clear(&peer->first_frame);
		peer->owner->frame(peer, frame);
	} else {
		if (r == -EPROTO || r == -EMSGSIZE)
			peer->listener->options.refuse(peer, true,
						       "jit-helper does not understand this program: install "
						       "the same version of both");
		peer_gone(peer);
	}
	/* The peer may be no more. */
	jit_frame_wipe(frame);
	if (helper->passed >= 0)
		close(helper->passed);
	helper->passed = -1;
}

int jh_peer_take_passed(struct jh_peer *peer)
{
	return jit_take_fd(&peer->helper->passed);
}

static void on_death(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	peer_gone(arg);
}

static void on_silence(void *arg)
{
	peer_gone(arg);
}

/* The peer's identity, read once; what /proc says counts because its process is alive afterwards. */
static int identify(struct jh_peer *peer)
{
	pid_t pid;
	int r = jh_pidfd_of_peer(peer->fd, &pid, &peer->uid, &peer->pidfd);

	if (r < 0)
		return r;
	peer->proc = (struct jh_proc){.pid = pid, .login_uid = JH_NO_AUDIT};
	r = jh_proc_audit(pid, &peer->proc.audit_session);
	return r < 0 || jh_pidfd_alive(peer->pidfd) ? r : -ESRCH;
}

int jh_peer_look(struct jh_peer *peer)
{
	struct jh_proc facts;

	if (peer->looked)
		return 0;
	int r = jh_proc_kin(peer->proc.pid, &facts);
	if (r == 0 && !jh_pidfd_alive(peer->pidfd))
		r = -ESRCH;
	if (r < 0)
		return r;
	facts.audit_session = peer->proc.audit_session;
	facts.login_uid = peer->proc.login_uid;
	peer->proc = facts;
	peer->looked = true;
	return 0;
}

int jh_peer_look_login(struct jh_peer *peer)
{
	uint32_t uid;

	if (peer->looked_login)
		return 0;
	int r = jh_proc_login(peer->proc.pid, &uid);
	if (r == 0 && !jh_pidfd_alive(peer->pidfd))
		r = -ESRCH;
	if (r < 0)
		return r;
	peer->proc.login_uid = uid;
	peer->looked_login = true;
	return 0;
}

static int watch(struct jh_peer *peer)
{
	struct event_base *base = peer->helper->base;

	peer->readable = event_new(base, peer->fd, EV_READ | EV_PERSIST, on_readable, peer);
	peer->death = event_new(base, peer->pidfd, EV_READ, on_death, peer);
	if (!peer->readable || !peer->death || event_add(peer->readable, NULL) < 0 || event_add(peer->death, NULL) < 0)
		return -ENOMEM;
	jh_alarm_in(&peer->first_frame, FIRST_FRAME_MS);
	return 0;
}

struct jh_peer *jh_peer_known(struct jh_listener *l, const struct jh_proc *proc, int pidfd)
{
	struct jh_peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		close(pidfd);
		return NULL;
	}
	peer->listener = l;
	peer->helper = l->helper;
	peer->fd = -1;
	peer->pidfd = pidfd;
	peer->proc = *proc;
	peer->looked = peer->looked_login = true;
	peer->owner = l->options.first;
	jh_alarm_init(&peer->first_frame, l->helper->alarms, on_silence, peer);
	LIST_INSERT_HEAD(&l->peers, peer, link);
	l->count++;
	peer->death = event_new(l->helper->base, pidfd, EV_READ, on_death, peer);
	if (peer->death && event_add(peer->death, NULL) == 0)
		return peer;
	jh_peer_close(peer);
	return NULL;
}

/*
 * Whoever has not said anything yet makes room, the longest silent first: one
 * person may have the uids of many (newuidmap), and hold a connection with each.
 */
static bool make_room(struct jh_listener *l)
{
	struct jh_peer *silent = NULL, *p;

	for (p = LIST_FIRST(&l->peers); p; p = LIST_NEXT(p, link))
		if (p->first_frame.when_ms && (!silent || p->first_frame.when_ms < silent->first_frame.when_ms))
			silent = p;
	if (!silent)
		return false;
	l->options.refuse(silent, false, FULL);
	jh_peer_close(silent);
	return true;
}

/* Why this peer is not served; NULL when it is. */
static const char *judge(struct jh_listener *l, struct jh_peer *peer)
{
	int r = identify(peer);

	if (jh_proc_is_shortage(r))
		return JH_SHORTAGE;
	if (r < 0)
		return "the calling process cannot be identified: it is gone or in another pid namespace";
	if (l->options.root_only && peer->uid != 0)
		return "only root may ask here";
	if (l->options.max_of_uid && jh_peers_of_uid(peer) > l->options.max_of_uid)
		return "you have too many connections to jit-helper; try again in a moment";
	if (l->count > l->options.max && !make_room(l))
		return FULL;
	if (watch(peer) < 0)
		return NO_MEMORY;
	return NULL;
}

static void admit(struct jh_listener *l, int fd)
{
	struct jh_peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		struct jh_peer turned_away = {.listener = l, .helper = l->helper, .fd = fd, .pidfd = -1};
		l->options.refuse(&turned_away, false, NO_MEMORY);
		close_socket(l, fd);
		return;
	}
	peer->listener = l;
	peer->helper = l->helper;
	peer->fd = fd;
	peer->pidfd = -1;
	peer->owner = l->options.first;
	jh_alarm_init(&peer->first_frame, l->helper->alarms, on_silence, peer);
	LIST_INSERT_HEAD(&l->peers, peer, link);
	l->count++;
	const char *refusal = judge(l, peer);
	if (refusal) {
		l->options.refuse(peer, false, refusal);
		jh_peer_close(peer);
	}
	/*
	 * Its question is there already, mostly, and is left for the loop's next turn: on another connection the same
	 * process may just have taken what it now asks for, and that lies there unread.
	 */
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct jh_listener *l = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	const int error = conn < 0 ? -errno : 0;
	if (jh_proc_is_shortage(error)) {
		if (!l->turned_away)
			jit_log(LOG_ERR,
				"no further connection can be taken: %s; whoever asks waits until there is room",
				strerror(-error));
		l->turned_away = true;
		jh_listener_hold(l, ACCEPT_PAUSE_MS); /* it stays in the queue: the loop would spin on it */
	} else if (conn >= 0) {
		l->turned_away = false;
		admit(l, conn);
	}
}

void jh_listener_hold(struct jh_listener *l, int64_t ms)
{
	event_del(l->readable);
	jh_alarm_in(&l->resume, ms);
}

void jh_listener_release(struct jh_listener *l)
{
	jh_alarm_clear(&l->resume);
	if (event_add(l->readable, NULL) < 0) /* out of memory: nobody would be heard again */
		jh_alarm_in(&l->resume, ACCEPT_PAUSE_MS);
}

static void on_resume(void *arg)
{
	jh_listener_release(arg);
}

struct jh_listener *jh_listener_new(struct jh_helper *helper, int fd, const struct jh_listener_options *options)
{
	struct jh_listener *l = calloc(1, sizeof(*l));

	if (!l) {
		close(fd);
		return NULL;
	}
	l->helper = helper;
	l->options = *options;
	l->fd = fd;
	if (!options->descriptors)
		jit_unasked_refuse(fd);
	LIST_INIT(&l->peers);
	jh_alarm_init(&l->resume, helper->alarms, on_resume, l);
	l->readable = event_new(helper->base, fd, EV_READ | EV_PERSIST, on_connection, l);
	if (!l->readable || event_add(l->readable, NULL) < 0) {
		jh_listener_free(l);
		return NULL;
	}
	return l;
}

bool jh_listener_expects(const struct jh_listener *l)
{
	const struct jh_peer *p;

	for (p = LIST_FIRST(&l->peers); p; p = LIST_NEXT(p, link))
		if (p->fd >= 0 && p->owner == l->options.first)
			return true;
	return false;
}

void jh_listener_free(struct jh_listener *l)
{
	if (!l)
		return;
	while (!LIST_EMPTY(&l->peers))
		jh_peer_close(LIST_FIRST(&l->peers));
	jh_alarm_clear(&l->resume);
	if (l->readable)
		event_free(l->readable);
	close_socket(l, l->fd); /* and what waits in its queue */
	free(l);
}

void jh_peer_give(struct jh_peer *peer, const struct jh_peer_owner *owner, void *arg)
{
	peer->owner = owner;
	peer->arg = arg;
}

unsigned jh_peers_of(const struct jh_peer *peer, const char *requester)
{
	const struct jh_peer *p;
	unsigned n = 0;

	for (p = LIST_FIRST(&peer->listener->peers); p; p = LIST_NEXT(p, link))
		n += strcmp(p->requester, requester) == 0;
	return n;
}

unsigned jh_peers_of_uid(const struct jh_peer *peer)
{
	const struct jh_peer *p;
	unsigned n = 0;

	for (p = LIST_FIRST(&peer->listener->peers); p; p = LIST_NEXT(p, link))
		n += p->uid == peer->uid;
	return n;
}

unsigned jh_peers_heard(const struct jh_peer *peer)
{
	const struct jh_peer *p;
	unsigned n = 0;

	for (p = LIST_FIRST(&peer->listener->peers); p; p = LIST_NEXT(p, link))
		n += !p->first_frame.when_ms;
	return n;
}
