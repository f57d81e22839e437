/* jit-broker: one program, a command for each thing it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "client.h"
#include "exit.h"
#include "serve.h"
#include "text.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{"serve", jb_cmd_serve, "run the broker"},
	{"list", jb_cmd_list, "show the requests that you may decide"},
	{"approve", jb_cmd_approve, "approve a request"},
	{"deny", jb_cmd_deny, "deny a request"},
	{"revoke", jb_cmd_revoke, "end a grant"},
	{"key", jb_cmd_key, "make, list, rotate and revoke the hosts' API keys"},
	{"token", jb_cmd_token, "make, list and revoke the approvers' tokens"},
	{"sessions", jb_cmd_sessions, "show who is signed in at the page, and end it"},
	{"check", jb_cmd_check, "check the configuration"},
	{"notify", jb_cmd_notify, "try receivers of notifications, and show what waits"},
	{"audit", jb_cmd_audit, "read and verify the audit chain"},
	{"store", jb_cmd_store, "make the table of a DynamoDB store"},
	{"backup", jb_cmd_backup, "copy the store, also while it serves"},
	{"restore", jb_cmd_restore, "put a back-up in the store's place"},
};

static void print_help(FILE *out)
{
	fputs("usage: jit-broker COMMAND [OPTIONS]\n\n", out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].what);
	fputs("\n'jit-broker COMMAND --help' says more; 'jit-broker --version' says which one this is.\n", out);
}

/* Under the name that getopt_long(3) puts before what it has to say. */
static int run(const struct command *command, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "jit-broker %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	char given[64];

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_help(stdout);
		return JB_EXIT_OK;
	}
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		puts("jit-broker " JIT_VERSION);
		return JB_EXIT_OK;
	}
	for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	if (argc >= 2) {
		jit_text_clean_str(given, sizeof(given), argv[1]);
		fprintf(stderr, "jit-broker: there is no such command: %s\n", given);
	}
	print_help(stderr);
	return JB_EXIT_USAGE;
}
