/* jit env: the session's AWS credentials for tools that read variables alone. See jit.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jit.h"
#include "jit_doc.h"
#include "jit_keys.h"

#define TEXT_SIZE (4 * JIT_FRAME_MAX + 512) /* every byte may be a quote */

static int read_shell(const char *name, enum jit_shell *ret)
{
	static const char *const names[] = {
		[JIT_SHELL_SH] = "sh", [JIT_SHELL_FISH] = "fish", [JIT_SHELL_JSON] = "json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0) {
			*ret = (enum jit_shell)i;
			return 0;
		}
	return -1;
}

static enum jit_exit print_keys(const struct jit_keys *keys, enum jit_shell shell)
{
	static char text[TEXT_SIZE]; /* static: its one copy is wiped below */
	size_t len = jit_keys_format(keys, shell, text, sizeof(text));
	enum jit_exit status = len ? jit_write(text, len) : jit_doc_senseless();

	explicit_bzero(text, sizeof(text));
	if (status == JIT_EXIT_OK && isatty(STDOUT_FILENO))
		fputs("jit env: these secrets stand on your terminal now; use eval \"$(jit env)\", which shows "
		      "nothing\n",
		      stderr);
	return status;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	static const struct option options[] = {
		JIT_COMMON_OPTIONS, {"shell", required_argument, NULL, JIT_OPTION_OWN}, {0}};
	const char *socket = JIT_SESSION_SOCKET;
	enum jit_shell shell = JIT_SHELL_SH;
	enum jit_exit status = JIT_EXIT_OK;
	struct jit_frame frame;
	struct jit_keys keys;
	int option;

	while ((option = jit_option(self, argc, argv, options, &status)) != -1) {
		if (option == JIT_OPTION_DONE)
			return status;
		if (option == JIT_OPTION_SOCKET)
			socket = optarg;
		else if (read_shell(optarg, &shell) < 0)
			return jit_usage(self, "%s is no shell that it knows: sh, fish or json", optarg);
	}
	if (optind < argc)
		return jit_usage(self, "%s is one word too many", argv[optind]);
	status = jit_keys_fetch(socket, &frame, &keys);
	if (status == JIT_EXIT_OK)
		status = print_keys(&keys, shell);
	jit_frame_wipe(&frame);
	return status;
}

const struct jit_command jit_command_env = {
	.name = "env",
	.synopsis = "[--shell sh|fish|json] [--socket PATH]",
	.summary = "The same as environment variables: eval \"$(jit env)\"",
	.details = "  --shell NAME  sh (also for bash and zsh, the default), json (an object of the\n"
		   "                variables), or fish: jit env --shell fish | source\n"
		   "\n"
		   "Sets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and\n"
		   "AWS_CREDENTIAL_EXPIRATION, and unsets AWS_PROFILE, which some SDKs would\n"
		   "prefer. They are not renewed: when they have expired, run it again. Every\n"
		   "process that is started from there has them.\n",
	.run = run,
};
