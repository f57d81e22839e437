/* jit exec: becomes a command that has the session's AWS credentials in its environment. See jit.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "jit.h"
#include "jit_keys.h"
#include "text.h"

/* As shells do. */
enum exec_exit { CANNOT_RUN = 126, NOT_FOUND = 127 };

/* What the command must not inherit: AWS_PROFILE would go before the variables in the SDK for JavaScript. */
static bool is_replaced(const char *variable)
{
	static const char *const others[] = {"AWS_PROFILE", "AWS_SECURITY_TOKEN"};
	size_t len = strcspn(variable, "=");

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strlen(others[i]) == len && strncmp(variable, others[i], len) == 0)
			return true;
	for (size_t i = 0; i < JIT_KEYS; i++)
		if (strlen(jit_key_names[i]) == len && strncmp(variable, jit_key_names[i], len) == 0)
			return true;
	return false;
}

/* "NAME=value" of each, one after the other in `text`; false: it does not fit, which no frame's content does. */
static bool write_variables(const struct jit_keys *keys, char *text, size_t size, char *ret[static JIT_KEYS])
{
	for (size_t i = 0; i < JIT_KEYS; i++) {
		const struct jit_span *value = &keys->value[i];
		size_t name = strlen(jit_key_names[i]);

		if (name + value->len + 2 > size)
			return false;
		memcpy(text, jit_key_names[i], name);
		text[name] = '=';
		memcpy(text + name + 1, value->at, value->len);
		text[name + 1 + value->len] = '\0';
		ret[i] = text;
		text += name + value->len + 2;
		size -= name + value->len + 2;
	}
	return true;
}

/* The caller frees the array; the texts in it are environ's, and the variables. */
static char **make_environment(char *const variables[static JIT_KEYS])
{
	size_t n = 0, kept = 0;

	while (environ && environ[n])
		n++;
	char **env = calloc(n + JIT_KEYS + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (!is_replaced(environ[i]))
			env[kept++] = environ[i];
	for (size_t i = 0; env && i < JIT_KEYS; i++)
		env[kept++] = variables[i];
	return env;
}

/* Comes back only where the command could not be run, with the status to exit with. */
static int become(char **command, const struct jit_keys *keys)
{
	static char text[JIT_FRAME_MAX + 256]; /* static: its one copy is wiped below */
	char *variables[JIT_KEYS], name[JIT_LINE_SIZE];
	JIT_FREE char **env = NULL;

	if (write_variables(keys, text, sizeof(text), variables))
		env = make_environment(variables);
	if (!env) {
		fputs("jit: out of memory\n", stderr);
		explicit_bzero(text, sizeof(text));
		return JIT_EXIT_INTERNAL;
	}
	execvpe(command[0], command, env);
	int error = errno;
	explicit_bzero(text, sizeof(text));
	jit_text_clean_str(name, sizeof(name), command[0]);
	fprintf(stderr, "jit: cannot run %s: %s\n", name, strerror(error));
	return error == ENOENT ? NOT_FOUND : CANNOT_RUN;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct jit_frame frame;
	struct jit_keys keys;
	const char *socket;
	int done = jit_plain_options(self, argc, argv, argc, &socket, NULL);

	if (done >= 0)
		return (enum jit_exit)done;
	if (optind == argc)
		return jit_usage(self, "say which command to run");
	int status = (int)jit_keys_fetch(socket, &frame, &keys);
	if (status == JIT_EXIT_OK)
		status = become(argv + optind, &keys);
	jit_frame_wipe(&frame);
	return (enum jit_exit)status;
}

const struct jit_command jit_command_exec = {
	.name = "exec",
	.synopsis = "[--socket PATH] -- COMMAND [ARGUMENT…]",
	.summary = "Run a command with these variables",
	.details = "The command takes the place of jit: signals and exit status are its own; 126\n"
		   "where it cannot be run, 127 where it is not found, jit's own statuses where\n"
		   "there are no credentials. AWS_PROFILE is unset for it, which some SDKs would\n"
		   "prefer. The credentials are not renewed while it runs.\n",
	.runs_another = true,
	.run = run,
};
