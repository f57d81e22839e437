/* `jit-broker sessions`: who is signed in at the page, and an end to it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "admin_private.h"
#include "clock.h"
#include "exit.h"
#include "signin.h"

struct ids {
	char (*id)[JB_SECRET_ID_SIZE];
	size_t count;
	bool failed;
};

static void print_session(void *arg, const struct jb_session_row *row)
{
	char begun[JIT_ISO_SIZE], used[JIT_ISO_SIZE];

	(void)arg;
	jit_iso_format(row->begun, begun);
	jit_iso_format(row->used, used);
	printf("%-18s %-32s %-6s %-22s %s\n", row->id, row->person, row->how, begun, used);
}

static int list(struct jb_store *store)
{
	printf("%-18s %-32s %-6s %-22s %s\n", "ID", "PERSON", "BY", "BEGUN", "USED LAST");
	if (jb_store_session_list(store, NULL, print_session, NULL) == 0)
		return jb_admin_printed();
	fprintf(stderr, "jit-broker: the store could not be read: %s\n", jb_store_error(store));
	return JB_EXIT_FAILED;
}

static void keep_id(void *arg, const struct jb_session_row *row)
{
	struct ids *ids = arg;
	void *grown = reallocarray(ids->id, ids->count + 1, sizeof(*ids->id));

	ids->failed |= !grown;
	if (!grown)
		return;
	ids->id = grown;
	memcpy(ids->id[ids->count++], row->id, sizeof(row->id));
}

static int end(struct jb_store *store, const char *person)
{
	struct ids ids = {0};
	size_t ended = 0;
	int r = jb_store_session_list(store, person, keep_id, &ids);

	if (r == 0 && ids.failed)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < ids.count; i++) {
		r = jb_signin_end(store, ids.id[i], "admin", jit_wall_s());
		ended += r == 0;
		if (r == -ENOENT) /* its person was faster */
			r = 0;
	}
	free(ids.id);
	if (r < 0) {
		fprintf(stderr, "jit-broker: the store could not change it: %s\n", jb_store_error(store));
		return JB_EXIT_FAILED;
	}
	fprintf(stderr, "%zu session%s of %s ended\n", ended, ended == 1 ? "" : "s", person);
	return JB_EXIT_OK;
}

int jb_cmd_sessions(int argc, char **argv)
{
	static const char how[] = "sessions [--config FILE] list | end PERSON";

	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	const char *path = jb_admin_config(argc, argv);
	const int words = path ? argc - optind : 0;
	const bool lists = words == 1 && strcmp(argv[optind], "list") == 0;

	if (!lists && !(words == 2 && strcmp(argv[optind], "end") == 0))
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(path, jb_admin_error, NULL);
	STORE *store = conf ? jb_admin_store(conf, false) : NULL;
	if (!store)
		return JB_EXIT_FAILED;
	return lists ? list(store) : end(store, argv[optind + 1]);
}
