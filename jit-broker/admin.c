/* See admin.h. Keys and tokens are shown once, on standard output alone; all else a person reads goes beside it. */
#include "admin.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_private.h"
#include "cleanup.h"
#include "clock.h"
#include "conf.h"
#include "exit.h"
#include "secret.h"
#include "store.h"
#include "text.h"

void jb_admin_error(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "jit-broker: %s\n", message);
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
	const char *path = strchr(conf->store, ':') + 1; /* conf_check.c has seen to it */
	struct jb_store *store;
	char why[512];

	if (!may_make && access(path, F_OK) < 0) {
		fprintf(stderr, "jit-broker: there is no store %s: %s\n", path, strerror(errno));
		return NULL;
	}
	store = jb_store_open(conf->store, why, sizeof(why));
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

static void print_secret(void *arg, const char *id, const char *owner, int64_t created, int64_t revoked)
{
	char made[JIT_ISO_SIZE], gone[JIT_ISO_SIZE] = "-";

	(void)arg;
	jit_iso_format(created, made);
	if (revoked)
		jit_iso_format(revoked, gone);
	printf("%-18s %-32s %-22s %s\n", id, owner, made, gone);
}

static bool is_host_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len < 64 && !name[len] && name[0] != '-';
}

/* May a secret of this kind belong to that name? */
static bool is_owner(const struct jb_conf *conf, const char *kind, const char *owner)
{
	const struct jb_person *person = jb_conf_person(conf, owner);

	if (strcmp(kind, "host") == 0) {
		if (is_host_name(owner))
			return true;
		fprintf(stderr, "jit-broker: a host's name has up to 63 letters, digits and . _ -\n");
		return false;
	}
	if (person && !person->shared)
		return true;
	fprintf(stderr, "jit-broker: %s is no [person] of %s%s; approvers' tokens belong to persons\n", owner,
		conf->path, person ? ", but a shared account" : "");
	return false;
}

static int add_secret(const struct jb_conf *conf, struct jb_store *store, const char *kind, const char *owner)
{
	char text[JB_SECRET_SIZE];

	if (!is_owner(conf, kind, owner))
		return JB_EXIT_FAILED;
	int r = jb_store_secret_add(store, kind, owner, jit_wall_s(), text, sizeof(text));
	if (r < 0) {
		fprintf(stderr, "jit-broker: the store could not take it: %s\n", jb_store_error(store));
		return JB_EXIT_FAILED;
	}
	fprintf(stderr, "This is shown once and cannot be had again; keep it where only %s reads it.\n",
		strcmp(kind, "host") == 0 ? "that host's jit-helper" : owner);
	puts(text);
	r = jb_admin_printed();
	OPENSSL_cleanse(text, sizeof(text));
	return r;
}

static int revoke_secret(struct jb_store *store, const char *kind, const char *id)
{
	int r = jb_store_secret_revoke(store, kind, id, jit_wall_s());

	if (r == 0)
		return JB_EXIT_OK;
	if (r == -ENOENT)
		fprintf(stderr, "jit-broker: there is no valid one with the id %s; `list` shows them\n", id);
	else
		fprintf(stderr, "jit-broker: the store could not change it: %s\n", jb_store_error(store));
	return JB_EXIT_FAILED;
}

static int list_secrets(struct jb_store *store, const char *kind)
{
	printf("%-18s %-32s %-22s %s\n", "ID", strcmp(kind, "host") == 0 ? "HOST" : "PERSON", "MADE", "REVOKED");
	if (jb_store_secret_list(store, kind, print_secret, NULL) == 0)
		return jb_admin_printed();
	fprintf(stderr, "jit-broker: the store could not be read: %s\n", jb_store_error(store));
	return JB_EXIT_FAILED;
}

static int manage_secrets(const char *kind, int argc, char **argv, const char *how)
{
	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	const char *path = jb_admin_config(argc, argv);
	const char *what = path && optind < argc ? argv[optind] : "";
	const int names = path ? argc - optind - 1 : 0;

	if (!(strcmp(what, "list") == 0 && names == 0) &&
	    !((strcmp(what, "add") == 0 || strcmp(what, "revoke") == 0) && names == 1))
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(path, jb_admin_error, NULL);
	STORE *store = conf ? jb_admin_store(conf, strcmp(what, "add") == 0) : NULL;
	if (!store)
		return JB_EXIT_FAILED;
	if (strcmp(what, "list") == 0)
		return list_secrets(store, kind);
	return strcmp(what, "add") == 0 ? add_secret(conf, store, kind, argv[optind + 1])
					: revoke_secret(store, kind, argv[optind + 1]);
}

int jb_cmd_key(int argc, char **argv)
{
	return manage_secrets("host", argc, argv, "key [--config FILE] add HOST | list | revoke ID");
}

int jb_cmd_token(int argc, char **argv)
{
	return manage_secrets("person", argc, argv, "token [--config FILE] add PERSON | list | revoke ID");
}
