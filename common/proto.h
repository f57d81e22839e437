/*
 * What the frames between pam_jit.so, jit and jit-helper mean. The text of
 * record is docs/protocol-helper.md; numbers here never change their meaning.
 */
#ifndef JIT_PROTO_H
#define JIT_PROTO_H

/* Default paths; each program takes others by argument or configuration. */
#define JIT_PAM_SOCKET	   "/run/pam-jit/pam.sock"
#define JIT_SESSION_SOCKET "/run/pam-jit/session.sock"

/* Sizes of text fields, NUL included. */
#define JIT_NAME_SIZE	 256  /* user, service, tty, role, host */
#define JIT_LINE_SIZE	 512  /* a line to show, a reason, a ticket */
#define JIT_COMMAND_SIZE 4097 /* SUDO_COMMAND holds up to 4096 bytes */
#define JIT_ID_SIZE	 37   /* a request's uuid */
#define JIT_TOKEN_LEN	 32   /* bytes of a session token */

/* Key that holds the session token: type "user", in the session keyring. */
#define JIT_KEY_NAME  "pam_jit:token"
/* PAM environment: which grant account found; open_session's hint, no proof. */
#define JIT_GRANT_ENV "JIT_GRANT"

enum jit_frame_type {
	/* module to helper, pam.sock */
	JIT_F_ELEVATE = 1, /* account: may this person go on? */
	JIT_F_OPEN = 2,	   /* open_session: begin an elevation on this connection */
	JIT_F_REPLY = 3,   /* the answer to an ASK */
	JIT_F_TAKEN = 4,   /* the verdict has been read and will be acted on */
	JIT_F_CLOSE = 5,   /* close_session: end the elevation now */
	/* helper to module */
	JIT_F_SAY = 16,	    /* a line to show */
	JIT_F_ASK = 17,	    /* a prompt; the module answers with REPLY */
	JIT_F_WAIT = 18,    /* a decision is awaited: what to show meanwhile */
	JIT_F_VERDICT = 19, /* the last frame of an exchange */
	/* jit to helper, session.sock */
	JIT_F_CREDENTIALS = 32, /* credential_process' document for this session */
	JIT_F_STATUS = 33,	/* what this session holds */
	JIT_F_END = 34,		/* give a grant back, withdraw a request */
	JIT_F_REQUEST = 35,	/* file a request beforehand */
	JIT_F_FOLLOW = 36,	/* wait until requests are decided */
	/* helper to jit */
	JIT_F_DOCUMENT = 48, /* a JSON document */
	JIT_F_FAULT = 49,    /* a sentence and an exit code */
};

enum jit_tag {
	JIT_T_SERVICE = 1,    /* text: PAM service */
	JIT_T_APP = 2,	      /* text: sudo, su, sshd, login, polkit, other */
	JIT_T_REQUESTER = 3,  /* text: user name */
	JIT_T_UID = 4,	      /* u32: the requester's uid */
	JIT_T_TARGET = 5,     /* text: user name; absent where not known yet */
	JIT_T_TTY = 6,	      /* text */
	JIT_T_RHOST = 7,      /* text */
	JIT_T_COMMAND = 8,    /* text */
	JIT_T_CWD = 9,	      /* text */
	JIT_T_ROLE = 10,      /* text: from role= */
	JIT_T_REASON = 11,    /* text */
	JIT_T_TICKET = 12,    /* text */
	JIT_T_CAN_ASK = 13,   /* u32: 1 where a prompt can be answered */
	JIT_T_WAIT = 14,      /* u32: seconds the module will wait for a verdict */
	JIT_T_GRANT = 15,     /* text: a grant's id (the request's uuid) */
	JIT_T_TEXT = 16,      /* text: a line, a prompt, an answer, a sentence; clean UTF-8 */
	JIT_T_ECHO = 17,      /* u32: 1 when the typed answer may be seen */
	JIT_T_REMAINING = 18, /* u32: seconds */
	JIT_T_OUTCOME = 19,   /* u32: enum jit_outcome */
	JIT_T_TOKEN = 20,     /* 32 bytes */
	JIT_T_ENV = 21,	      /* text NAME=value; may repeat */
	JIT_T_JSON = 22,      /* text: a JSON document */
	JIT_T_EXIT = 23,      /* u32: jit's exit status */
	JIT_T_SEVERITY = 24,  /* u32: 0 information, 1 error */
	JIT_T_LIVE = 25,      /* u32: 0 where text is shown with the next prompt only, if at all (sshd) */
	JIT_T_GLASS = 26,     /* u32: 1 when the person asked for break-glass beforehand */
	JIT_T_OBSERVE = 27,   /* u32: 1: say what would happen, and do nothing */
	JIT_T_KEYRING = 28,   /* u32: 0 where the token could be kept nowhere */
	JIT_T_DURATION = 29,  /* u32: seconds asked for */
	JIT_T_HOST = 30,      /* text: a pattern of hosts; may repeat */
};

/* The helper's answer. Everything that is not one of the first two refuses. */
enum jit_outcome {
	JIT_ALLOW = 0,	     /* a live grant covers this */
	JIT_IGNORE = 1,	     /* not for this service or user: PAM_IGNORE */
	JIT_DENIED = 2,	     /* a person or the policy said no */
	JIT_TIMED_OUT = 3,   /* nobody decided in time */
	JIT_CANCELLED = 4,   /* withdrawn: Ctrl-C, jit end, revoke */
	JIT_UNAVAILABLE = 5, /* the broker or the helper could not decide */
	JIT_INVALID = 6,     /* the question made no sense */
	JIT_LATER = 7,	     /* the request goes on without this connection: come back when it is decided */
};

/* jit's exit statuses (jit(1), EXIT STATUS). */
enum jit_exit {
	JIT_EXIT_OK = 0,	  /* done; jit request: approved */
	JIT_EXIT_NOTHING = 1,	  /* this session holds no grant */
	JIT_EXIT_USAGE = 2,	  /* the command line is wrong */
	JIT_EXIT_REFUSED = 3,	  /* this process is not in the elevated session */
	JIT_EXIT_UNAVAILABLE = 4, /* no helper, no broker, or no credentials from it yet */
	JIT_EXIT_INTERNAL = 5,
	/* jit request: what became of it */
	JIT_EXIT_PENDING = 10,	    /* nobody has decided yet */
	JIT_EXIT_DENIED = 11,	    /* a person said no, or withdrew it */
	JIT_EXIT_EXPIRED = 12,	    /* nobody decided in time */
	JIT_EXIT_NOT_ELIGIBLE = 13, /* the policy says no */
};

#endif
