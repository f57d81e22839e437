/* jit: the table of commands, and which of them is meant. See jit.h. */
#include "jit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct jit_command *const commands[] = {
	&jit_command_status, &jit_command_end,	&jit_command_request, &jit_command_credentials,
	&jit_command_env,    &jit_command_exec, &jit_command_doctor,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *to)
{
	fputs("Usage: jit COMMAND [OPTION…]\n\n", to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n`jit help COMMAND` says more. All but doctor take --socket PATH.\n"
	      "Also: --help, --version.\n"
	      "Exit status: 0 done, 1 no grant, 2 wrong usage, 3 not in the elevated session,\n"
	      "             4 no helper, no broker or no credentials yet, 5 fault;\n"
	      "             jit request: 10 pending, 11 denied, 12 expired, 13 not eligible\n",
	      to);
}

static const struct jit_command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static enum jit_exit help(const char *name)
{
	const struct jit_command *command = name ? find(name) : NULL;

	if (name && !command) {
		fputs("jit: there is no such command; `jit --help` lists them\n", stderr);
		return JIT_EXIT_USAGE;
	}
	if (command)
		jit_print_help(command);
	else
		print_usage(stdout);
	return JIT_EXIT_OK;
}

/* What stdio still holds may find no room. */
static int flushed(enum jit_exit status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return (int)status;
	fprintf(stderr, "jit: cannot write: %s\n", strerror(errno));
	return JIT_EXIT_INTERNAL;
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";

	if (strcmp(first, "help") == 0 || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
		return flushed(help(argc > 2 ? argv[2] : NULL));
	if (strcmp(first, "--version") == 0) {
		puts("jit " JIT_VERSION);
		return flushed(JIT_EXIT_OK);
	}
	const struct jit_command *command = find(first);
	if (command)
		return flushed(command->run(command, argc - 1, argv + 1));
	if (argc > 1)
		fputs("jit: there is no such command; `jit --help` lists them\n", stderr);
	else
		print_usage(stderr);
	return JIT_EXIT_USAGE;
}
