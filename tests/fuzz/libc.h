/*
 * The libc that the PAM module is given when it is fuzzed (libc.syms): a world of
 * its own with its own clock, users, keyrings, terminal and helper, in which any
 * call may fail, and a record of what the module left behind in it. What a helper
 * and a person do stands in a script, which is read while the module waits.
 */
#ifndef JIT_FUZZ_LIBC_H
#define JIT_FUZZ_LIBC_H

#include "fuzz.h"

#include "frame.h"

#include <signal.h>
#include <sys/types.h>

#define WORLD_SOCKET	 "/run/fuzz/pam.sock"
#define WORLD_USER	 "op1"
#define WORLD_UID	 1001
#define WORLD_HELPER	 900 /* uid of _jit */
#define WORLD_FAULTS	 4
#define WORLD_CONFIRM_MS 5000 /* for the second verdict of a session without keyrings */
#define WORLD_FDS	 32

/* How the world is; set before the module is called. */
struct world_facts {
	uid_t real_uid, effective_uid;
	uid_t listener;	   /* whose socket it is */
	const char *title; /* of the process */
	unsigned busy;	   /* how often connect(2) finds the queue full */
	bool deaf;	   /* the helper reads nothing */
	bool terminal, foreground;
	bool alarm;	  /* the application dies in 30 s */
	bool own_ring;	  /* pam_keyinit made one for the user */
	bool no_keyrings; /* a container's filter */
	bool linked;	  /* on the way to sshd's configuration there is a symbolic link */
	bool shared;	  /* root's group may write to the folders on it */
	struct {
		unsigned call; /* the call of that number fails; 0: none */
		uint8_t error;
	} fault[WORLD_FAULTS];
};

/* What the peer and the module have done. */
struct world {
	struct world_facts is;
	struct fuzz_input script;
	int64_t now_ms;
	unsigned calls, faults;
	bool undo_failed;   /* a fault hit a call that was to take something back */
	int peer;	    /* the helper's end; -1 */
	int fds[WORLD_FDS]; /* that the module has open */
	unsigned fd_count;
	long blocks;	     /* of memory that it holds */
	bool key;	     /* the token is in the session's ring */
	uint64_t ring, made; /* the session's, the last that was made */
	sigset_t mask;
	unsigned questions, taken, closed, replies; /* frames that the helper got, each whole */
	bool keyless;				    /* a TAKEN said so */
	struct jit_frame came;			    /* of the helper's, the last that the module took */
	bool has_come;
	bool allowed, ignored; /* a whole verdict of that kind was taken in time for this phase */
	bool confirmed;	       /* a second one */
	bool is_open;	       /* the phase is open_session */
	int64_t deadline_ms;
};

extern struct world world;

/* A new world; the script begins where the input stands. */
void world_begin(const struct world_facts *facts, const struct fuzz_input *script);
/* The next phase begins. */
void world_phase(bool is_open, int64_t deadline_ms);
/* The helper reads what has been sent to it. */
void world_listen(void);
/* The helper leaves. */
void world_end(void);
/* All is over: what was left open, too. */
void world_clear(void);

/* Notes a descriptor that the module opens (-1: it does not), and returns it. */
int world_keep(int fd);

/* A fault of the script, for the fakes of libpam: true, and errno is set. */
bool world_fails(void);

#endif
