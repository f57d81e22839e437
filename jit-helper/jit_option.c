/* Options of jit's commands, by getopt_long(3), with sentences of our own. See jit.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jit.h"
#include "text.h"

void jit_print_help(const struct jit_command *command)
{
	printf("Usage: jit %s%s%s\n\n%s.\n\n%s", command->name, command->synopsis[0] ? " " : "", command->synopsis,
	       command->summary, command->details);
}

enum jit_exit jit_usage(const struct jit_command *self, const char *format, ...)
{
	char line[JIT_LINE_SIZE], clean[JIT_LINE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	jit_text_clean_str(clean, sizeof(clean), line);
	fprintf(stderr, "jit %s: %s; `jit help %s` says how it is used\n", self->name, clean, self->name);
	return JIT_EXIT_USAGE;
}

int jit_option(const struct jit_command *self, int argc, char **argv, const struct option *options,
	       enum jit_exit *ret_status)
{
	/* Where getopt_long stands is the word that a sentence about a fault names; optind moves on before. */
	int at = optind;
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, self->runs_another ? "+:h" : ":h", options, NULL);
	switch (option) {
	case JIT_OPTION_HELP:
	case 'h':
		jit_print_help(self);
		*ret_status = JIT_EXIT_OK;
		return JIT_OPTION_DONE;
	case ':':
		*ret_status = jit_usage(self, "%s needs a value", argv[optind - 1]);
		return JIT_OPTION_DONE;
	case '?':
		*ret_status =
			jit_usage(self, "%s is no option here, or not this way", argv[optind > at ? optind - 1 : at]);
		return JIT_OPTION_DONE;
	default:
		return option;
	}
}

int jit_plain_options(const struct jit_command *self, int argc, char **argv, int operands, const char **ret_socket,
		      bool *ret_json)
{
	/* Where a command has no --json its row ends the list. */
	const struct option options[] = {
		JIT_COMMON_OPTIONS,
		{ret_json ? "json" : NULL, no_argument, NULL, JIT_OPTION_JSON},
		{0},
	};
	enum jit_exit status = JIT_EXIT_INTERNAL;
	int option;

	*ret_socket = JIT_SESSION_SOCKET;
	while ((option = jit_option(self, argc, argv, options, &status)) != -1) {
		if (option == JIT_OPTION_DONE)
			return (int)status;
		if (ret_json && option == JIT_OPTION_JSON)
			*ret_json = true;
		else
			*ret_socket = optarg;
	}
	if (argc - optind > operands)
		return (int)jit_usage(self, "%s is one word too many", argv[optind + operands]);
	return -1;
}
