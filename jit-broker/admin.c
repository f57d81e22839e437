/* See admin_private.h. */
#include "admin_private.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "exit.h"
#include "text.h"

void jb_admin_error(void *arg, const char *message)
{
	char clean[1024];

	(void)arg;
	jit_text_clean_str(clean, sizeof(clean), message);
	fprintf(stderr, "jit-broker: %s\n", clean);
}

int jb_admin_usage(const char *text)
{
	fprintf(stderr, "usage: jit-broker %s\n", text);
	return JB_EXIT_USAGE;
}

bool jb_admin_wants_help(int argc, char **argv)
{
	return argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

int jb_admin_help(const char *text)
{
	printf("usage: jit-broker %s\n", text);
	return JB_EXIT_OK;
}

const char *jb_admin_config(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
	const char *path = JB_CONF_DEFAULT;
	int option;

	optind = 0; /* glibc: begin anew */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'c')
			return NULL;
		path = optarg;
	}
	return path;
}

struct jb_store *jb_admin_store(const struct jb_conf *conf, bool may_make)
{
	static const char file[] = "sqlite:";
	const char *path = strncmp(conf->store, file, strlen(file)) == 0 ? conf->store + strlen(file) : NULL;
	struct jb_store *store;
	char why[512];

	if (!may_make && path && access(path, F_OK) < 0) {
		fprintf(stderr, "jit-broker: there is no store %s: %s\n", path, strerror(errno));
		return NULL;
	}
	store = jb_store_open(conf, why, sizeof(why));
	if (!store)
		jb_admin_error(NULL, why);
	return store;
}

int jb_admin_printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return JB_EXIT_OK;
	fprintf(stderr, "jit-broker: not all of it could be printed: %s\n", strerror(errno));
	return JB_EXIT_FAILED;
}
