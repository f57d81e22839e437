/* See jit.h. */
#include "jit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *socket;
	const char *command;
	const char *id;
	bool json;
};

static void usage(FILE *to)
{
	fputs("Usage: jit status [--json]     what this login session holds, and for how long\n"
	      "       jit end [ID]           give a grant back, or all of them\n"
	      "       jit credentials        AWS credentials, as credential_process wants them\n"
	      "Options: --socket PATH, --help, --version\n"
	      "Exit status: 0 done, 1 no grant, 2 wrong usage, 3 not in the elevated session,\n"
	      "             4 no helper or no credentials yet, 5 fault\n",
	      to);
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
	*ret = (struct options){.socket = JIT_SESSION_SOCKET};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return JIT_EXIT_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("jit " JIT_VERSION);
			return JIT_EXIT_OK;
		}
		if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
			ret->socket = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			ret->json = true;
		else if (argv[i][0] != '-' && !ret->command)
			ret->command = argv[i];
		else if (argv[i][0] != '-' && !ret->id && strcmp(ret->command, "end") == 0)
			ret->id = argv[i];
		else
			goto wrong;
	}
	if (ret->command)
		return -1;
wrong:
	usage(stderr);
	return JIT_EXIT_USAGE;
}

/* Puts the token into the frame where there is one. 0, or why there is none (-errno). */
static int put_token(struct jit_frame *frame)
{
	uint8_t token[JIT_TOKEN_LEN];
	int r = jit_session_token(token);

	if (r == 0)
		jit_frame_put(frame, JIT_T_TOKEN, token, sizeof(token));
	explicit_bzero(token, sizeof(token));
	return r;
}

static enum jit_exit no_token(int error)
{
	switch (-error) {
	case ENOKEY:
	case EACCES:
	case EKEYREVOKED:
		fputs("jit: this process is not in an elevated session; run it under sudo, su or ssh with an "
		      "approval\n",
		      stderr);
		return JIT_EXIT_REFUSED;
	case EKEYEXPIRED:
		fputs("jit: the time of this elevated session is over; ask again\n", stderr);
		return JIT_EXIT_REFUSED;
	default:
		fprintf(stderr,
			"jit: the session keyring cannot be read here (%s), so this session cannot be told from "
			"others\n",
			strerror(-error));
		return JIT_EXIT_REFUSED;
	}
}

/* write(2), not stdio: no second copy of credentials in a buffer. */
static int write_all(const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, data, len);
		if (n < 0 && errno != EINTR)
			return -1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static enum jit_exit print_document(const struct options *o, const struct jit_frame *frame)
{
	const uint8_t *json;
	size_t len;

	if (!jit_frame_get(frame, JIT_T_JSON, 0, &json, &len)) {
		fputs("jit: the answer of jit-helper is empty; install the same version of both\n", stderr);
		return JIT_EXIT_INTERNAL;
	}
	if (!o->json && strcmp(o->command, "status") == 0)
		return jit_print_status((const char *)json, len);
	if (!o->json && strcmp(o->command, "end") == 0)
		return jit_print_ended((const char *)json, len);
	if (write_all(json, len) < 0 || write_all((const uint8_t *)"\n", 1) < 0) {
		fprintf(stderr, "jit: cannot write: %s\n", strerror(errno));
		return JIT_EXIT_INTERNAL;
	}
	return JIT_EXIT_OK;
}

static enum jit_exit run(const struct options *o, struct jit_frame *frame)
{
	bool credentials = strcmp(o->command, "credentials") == 0;

	if (credentials)
		jit_frame_start(frame, JIT_F_CREDENTIALS);
	else if (strcmp(o->command, "status") == 0)
		jit_frame_start(frame, JIT_F_STATUS);
	else if (strcmp(o->command, "end") == 0)
		jit_frame_start(frame, JIT_F_END);
	else {
		usage(stderr);
		return JIT_EXIT_USAGE;
	}
	int r = put_token(frame);
	if (r < 0 && credentials)
		return no_token(r);
	if (o->id && strlen(o->id) < JIT_ID_SIZE)
		jit_frame_put_str(frame, JIT_T_GRANT, o->id);
	else if (o->id) {
		fputs("jit: that is no id; `jit status` shows them\n", stderr);
		return JIT_EXIT_USAGE;
	}
	enum jit_exit status = jit_call(o->socket, frame);
	return status == JIT_EXIT_OK ? print_document(o, frame) : status;
}

int main(int argc, char **argv)
{
	struct jit_frame frame;
	struct options options;
	int status = read_options(argc, argv, &options);

	if (status >= 0)
		return status;
	status = (int)run(&options, &frame);
	jit_frame_wipe(&frame);
	return status;
}
