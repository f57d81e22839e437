/* Back-ups of the store, made while it serves, and put back while it does not. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "admin.h"
#include "admin_private.h"
#include "backup.h"
#include "exit.h"

/* The one FILE behind the options; NULL: has been answered, with *ret_status. */
static const char *file_of(int argc, char **argv, const char *how, const char **ret_config, int *ret_status)
{
	if (jb_admin_wants_help(argc, argv)) {
		*ret_status = jb_admin_help(how);
		return NULL;
	}
	*ret_config = jb_admin_config(argc, argv);
	*ret_status = JB_EXIT_USAGE;
	if (*ret_config && optind + 1 == argc)
		return argv[optind];
	jb_admin_usage(how);
	return NULL;
}

int jb_cmd_backup(int argc, char **argv)
{
	const char *config;
	int status;
	const char *to = file_of(argc, argv, "backup [--config FILE] FILE", &config, &status);
	struct jb_backup made;
	char why[1024];

	if (!to)
		return status;
	CONF *conf = jb_conf_read(config, jb_admin_error, NULL);
	int r = conf ? jb_backup(conf, to, &made, why, sizeof(why)) : -1;
	if (r == 0) {
		printf("%s is made: %" PRId64 " audit records, whole\n", to, made.records);
		return jb_admin_printed();
	}
	if (conf)
		fprintf(stderr, "jit-broker: %s%s\n", why, r > 0 ? "; the back-up is made all the same" : "");
	return JB_EXIT_FAILED;
}

int jb_cmd_restore(int argc, char **argv)
{
	const char *config;
	int status;
	const char *from = file_of(argc, argv, "restore [--config FILE] FILE", &config, &status);
	struct jb_restored done;
	char why[1024];

	if (!from)
		return status;
	CONF *conf = jb_conf_read(config, jb_admin_error, NULL);
	if (!conf)
		return JB_EXIT_FAILED;
	if (jb_restore(conf, from, &done, why, sizeof(why)) < 0) {
		jb_admin_error(NULL, why);
		return JB_EXIT_FAILED;
	}
	printf("%s is restored: %" PRId64 " audit records; %zu open request%s and grant%s ended; %zu key%s and token%s "
	       "revoked since stay%s so\n",
	       from, done.records, done.ended, done.ended == 1 ? "" : "s", done.ended == 1 ? "" : "s", done.revoked,
	       done.revoked == 1 ? "" : "s", done.revoked == 1 ? "" : "s", done.revoked == 1 ? "s" : "");
	if (!done.revoked_known)
		printf("there was no whole store to ask what was revoked since: keys and tokens that were may work "
		       "again; "
		       "look through 'jit-broker key list' and 'jit-broker token list', and revoke them once more\n");
	if (done.delivered)
		printf("%zu notification%s delivered since %s not sent again\n", done.delivered,
		       done.delivered == 1 ? "" : "s", done.delivered == 1 ? "is" : "are");
	if (done.replaced[0])
		printf("the store from before is %s\n", done.replaced);
	return jb_admin_printed();
}
