/* The store itself, as whoever runs the broker makes it: jit-broker store. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "admin_private.h"
#include "conf.h"
#include "exit.h"
#include "store.h"

int jb_cmd_store(int argc, char **argv)
{
	static const char how[] = "store [--config FILE] create";

	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	const char *path = jb_admin_config(argc, argv);
	if (!path || argc - optind != 1 || strcmp(argv[optind], "create") != 0)
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(path, jb_admin_error, NULL);
	char why[512];

	if (!conf)
		return JB_EXIT_FAILED;
	if (jb_store_create(conf, why, sizeof(why)) < 0) {
		jb_admin_error(NULL, why);
		return JB_EXIT_FAILED;
	}
	printf("%s is made\n", conf->store);
	return jb_admin_printed();
}
