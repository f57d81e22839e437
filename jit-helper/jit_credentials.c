/* jit credentials: the document of credential_process. What it tells on stderr reaches people through AWS tools. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "jit.h"
#include "jit_doc.h"

int jit_put_token(struct jit_frame *frame)
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
			"others; begin the elevated session anew\n",
			strerror(-error));
		return JIT_EXIT_REFUSED;
	}
}

/*
 * The helper tells the session by other means, or refuses: where keyrings are not to be had at all (containers), and
 * where there is no token, which may be because none could be kept when the session began.
 */
static bool helper_judges(int error)
{
	return error == -ENOKEY || error == -EPERM || error == -ENOSYS || error == -EDQUOT;
}

enum jit_exit jit_call_credentials(const char *socket_path, struct jit_frame *frame)
{
	jit_frame_start(frame, JIT_F_CREDENTIALS); /* first: the caller wipes it whatever is returned */
	/* Before there is a secret to lose; a command that is executed can be dumped again. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		fprintf(stderr, "jit: cannot keep credentials out of core dumps: %s\n", strerror(errno));
		return JIT_EXIT_INTERNAL;
	}
	int r = jit_put_token(frame);

	return r == 0 || helper_judges(r) ? jit_call(socket_path, frame) : no_token(r);
}

/* All of it, or -1. */
static int write_all(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno != EINTR)
			return -1;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

enum jit_exit jit_write(const char *text, size_t len)
{
	if (write_all(text, len) == 0)
		return JIT_EXIT_OK;
	fprintf(stderr, "jit: cannot write: %s\n", strerror(errno));
	return JIT_EXIT_INTERNAL;
}

enum jit_exit jit_print_json(const struct jit_frame *frame)
{
	const uint8_t *json;
	size_t len;

	if (!jit_frame_get(frame, JIT_T_JSON, 0, &json, &len))
		return jit_doc_senseless();
	enum jit_exit status = jit_write((const char *)json, len);
	return status == JIT_EXIT_OK ? jit_write("\n", 1) : status;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct jit_frame frame;
	const char *socket;
	int done = jit_plain_options(self, argc, argv, 0, &socket, NULL);

	if (done >= 0)
		return (enum jit_exit)done;
	enum jit_exit status = jit_call_credentials(socket, &frame);
	if (status == JIT_EXIT_OK)
		status = jit_print_json(&frame);
	jit_frame_wipe(&frame);
	return status;
}

const struct jit_command jit_command_credentials = {
	.name = "credentials",
	.synopsis = "[--socket PATH]",
	.summary = "AWS credentials of this elevated session, for credential_process",
	.details = "AWS tools start it by themselves: /etc/pam-jit/aws-credentials names it.\n"
		   "`jit env` and `jit exec` give the same credentials as environment variables.\n",
	.run = run,
};
