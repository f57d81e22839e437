/*
 * A connection on one of the two sockets: accepting within limits, the peer's
 * identity from the kernel, frames in, and its end (closed, or its process
 * dead). What the frames mean is the business of whoever the peer belongs to.
 */
#ifndef JH_PEER_H
#define JH_PEER_H

#include "alarm.h"
#include "frame.h"
#include "proc.h"
#include "proto.h"

struct jh_helper;
struct jh_peer;

/* Who a peer belongs to. Either callback may close the peer; after `gone` it is closed anyway. */
struct jh_peer_owner {
	void (*frame)(struct jh_peer *peer, const struct jit_frame *frame);
	void (*gone)(struct jh_peer *peer); /* NULL: nothing to do */
};

struct jh_peer {
	LIST_ENTRY(jh_peer) link;
	struct jh_listener *listener;
	struct jh_helper *helper;
	int fd; /* -1: known by its process alone, since the helper that took its connection has ended */
	int pidfd;
	uid_t uid;
	/* Read under the pidfd: pid and audit session when it connected, the login uid by jh_peer_look_login, and the
	 * rest by jh_peer_look. Each read is a file's in /proc, and most exchanges need none of them. */
	struct jh_proc proc;
	bool looked, looked_login;
	char requester[JIT_NAME_SIZE]; /* on pam.sock, once the first frame has named one */
	struct event *readable, *death;
	struct jh_alarm first_frame;
	const struct jh_peer_owner *owner;
	void *arg; /* the owner's */
};

struct jh_listener_options {
	const struct jh_peer_owner *first; /* owner until the first frame has come */
	/* Sends a refusal; the peer is then closed. `senseless`: its frame made no sense. */
	void (*refuse)(struct jh_peer *peer, bool senseless, const char *sentence);
	bool root_only;
	bool descriptors;    /* one may come with a frame, for jh_peer_take_passed */
	unsigned max;	     /* connections */
	unsigned max_of_uid; /* of them; 0: counted otherwise */
};

/* Listens on `fd`, which it takes over. NULL: out of memory. */
struct jh_listener *jh_listener_new(struct jh_helper *helper, int fd, const struct jh_listener_options *options);
/* Takes no connection for that long, or until it is released: who comes meanwhile waits in the socket's queue. */
void jh_listener_hold(struct jh_listener *listener, int64_t ms);
void jh_listener_release(struct jh_listener *listener);
/* Somebody was let in whose first frame is on its way. */
bool jh_listener_expects(const struct jh_listener *listener);
/* Closes its peers without calling back. NULL is fine. */
void jh_listener_free(struct jh_listener *listener);

/* Read these of peer->proc, where that has not been done. 0; -ESRCH: its process is gone; -errno. */
int jh_peer_look(struct jh_peer *peer);
int jh_peer_look_login(struct jh_peer *peer);

/*
 * A peer that a helper before this one had a connection with: only the end of
 * its process is heard of. Takes `pidfd` over. NULL: out of memory.
 */
struct jh_peer *jh_peer_known(struct jh_listener *listener, const struct jh_proc *proc, int pidfd);

/* The descriptor that came with the frame which is being handled; the caller's from now on. -1: none. */
int jh_peer_take_passed(struct jh_peer *peer);
/* Hands the peer to another owner. */
void jh_peer_give(struct jh_peer *peer, const struct jh_peer_owner *owner, void *arg);
/* Closes without calling `gone`. */
void jh_peer_close(struct jh_peer *peer);
/* Connections of that requester on the same socket, this one included. */
unsigned jh_peers_of(const struct jh_peer *peer, const char *requester);
/* The same of its uid. */
unsigned jh_peers_of_uid(const struct jh_peer *peer);
/* Connections there of whomever, this one included: those that have said nothing yet are none. */
unsigned jh_peers_heard(const struct jh_peer *peer);

#endif
