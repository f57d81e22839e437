/*
 * jit, the user's command. Each subcommand is a struct jit_command in a file of
 * its own (jit_status.c, …); jit.c has the table of them. SDKs start `jit
 * credentials` for every call: few libraries, no locale, one round trip.
 */
#ifndef JIT_COMMAND_H
#define JIT_COMMAND_H

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "proto.h"

struct jit_command {
	const char *name;
	const char *synopsis; /* what stands behind the name: "[--json]" */
	const char *summary;  /* one line, for the list of `jit --help` */
	const char *details;  /* for `jit help NAME`: its options, a line each, and what else is to be known */
	bool runs_another;    /* its first operand is a command, whose options are not ours */
	/* argv[0] is the name. Reads its options by jit_option(). */
	enum jit_exit (*run)(const struct jit_command *self, int argc, char **argv);
};

extern const struct jit_command jit_command_status, jit_command_end, jit_command_credentials, jit_command_env,
	jit_command_exec, jit_command_request, jit_command_doctor;

/* `jit help NAME`. */
void jit_print_help(const struct jit_command *command);

#define JIT_OPTION_DONE (-2)
/* What every command takes; --help is answered by jit_option. Other options have a `val` above these. */
enum { JIT_OPTION_HELP = 256, JIT_OPTION_SOCKET, JIT_OPTION_JSON, JIT_OPTION_OWN };
#define JIT_COMMON_OPTIONS                                                                                             \
	{"help", no_argument, NULL, JIT_OPTION_HELP},                                                                  \
	{                                                                                                              \
		"socket", required_argument, NULL, JIT_OPTION_SOCKET                                                   \
	}
/*
 * The next option of a command, as getopt_long(3) gives it: its `val` with the
 * value in optarg, -1 when only operands are left (they begin at optind), or
 * JIT_OPTION_DONE when jit is to exit with *ret_status: --help was answered, or
 * the sentence about a wrong option told.
 */
int jit_option(const struct jit_command *self, int argc, char **argv, const struct option *options,
	       enum jit_exit *ret_status);

/* A sentence about a command line on stderr, and where the help is. JIT_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) enum jit_exit jit_usage(const struct jit_command *self, const char *format, ...);

/*
 * What a command has that takes only --socket and, where `json` is not NULL,
 * --json, and at most `operands` operands (from optind on). -1: go on, else what
 * to exit with.
 */
int jit_plain_options(const struct jit_command *self, int argc, char **argv, int operands, const char **ret_socket,
		      bool *ret_json);

/*
 * The session token from the session keyring; only a key that root made counts.
 * 0; -ENOKEY: this process possesses none; -EKEYEXPIRED: the elevation's time
 * was over; -errno where keyrings are not to be had. The caller wipes it.
 */
int jit_session_token(uint8_t token[static JIT_TOKEN_LEN]);
/* Puts the token into the frame where there is one. 0, or why there is none, as above. */
int jit_put_token(struct jit_frame *frame);

/* Sends the frame to jit-helper and puts its answer in the frame's place. An exit status, a sentence told on stderr. */
enum jit_exit jit_call(const char *socket_path, struct jit_frame *frame);

/* How long an answer is awaited, and what happens meanwhile. */
struct jit_patience {
	unsigned seconds;
	const sigset_t *during;	 /* the signal mask while it waits, under which a signal ends it; NULL: none does */
	void (*tick)(void *arg); /* called each second, or NULL */
	void *arg;
};

/*
 * The halves of jit_call. jit_ask says nothing: 0; -EINTR: a signal came; -errno,
 * with *ret_reached false where jit-helper could not even be asked. NULL: the
 * usual patience. jit_answer turns that into jit_call's exit status and sentence.
 */
int jit_ask(const char *socket_path, struct jit_frame *frame, const struct jit_patience *patience, bool *ret_reached);
enum jit_exit jit_answer(int r, bool reached, const struct jit_frame *frame);

/*
 * Asks for this session's credentials: as jit_call, but it puts the token into
 * the frame, and tells a sentence where there is none. From then on this process
 * cannot be dumped; the caller wipes the frame.
 */
enum jit_exit jit_call_credentials(const char *socket_path, struct jit_frame *frame);

/* The JSON of a DOCUMENT as it came, and a newline, on stdout; by write(2), so that no second copy lies in a buffer. */
enum jit_exit jit_print_json(const struct jit_frame *frame);
/* Text to stdout in the same way. JIT_EXIT_OK, or a sentence told. */
enum jit_exit jit_write(const char *text, size_t len);

#endif
