/*
 * `jit-broker key` and `token`: made, listed, changed, revoked. Keys and tokens are
 * shown once, on standard output alone; all else a person reads goes beside it.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "admin_private.h"
#include "clock.h"
#include "exit.h"
#include "secret.h"

/* What the store has of a kind, in the order in which they were made. */
struct rows {
	struct row {
		char id[JB_SECRET_ID_SIZE], owner[256];
		int64_t created, used, revoked;
	} * row;
	size_t count;
	bool failed;
};

static void keep(void *arg, const struct jb_secret_row *row)
{
	struct rows *rows = arg;
	struct row *grown = reallocarray(rows->row, rows->count + 1, sizeof(*grown));

	rows->failed |= !grown;
	if (!grown)
		return;
	rows->row = grown;
	struct row *kept = &grown[rows->count++];
	*kept = (struct row){.created = row->created, .used = row->used, .revoked = row->revoked};
	snprintf(kept->id, sizeof(kept->id), "%s", row->id);
	snprintf(kept->owner, sizeof(kept->owner), "%s", row->owner);
}

/* The caller frees rows->row. 0, or -1 and it has been said. */
static int read_rows(struct jb_store *store, const char *kind, struct rows *rows)
{
	*rows = (struct rows){0};
	const int r = jb_store_secret_list(store, kind, keep, rows);

	if (r == 0 && !rows->failed)
		return 0;
	fprintf(stderr, "jit-broker: the store could not be read: %s\n",
		r < 0 ? jb_store_error(store) : "out of memory");
	free(rows->row);
	return -1;
}

/* The valid one of that owner that was made first, after `row` where there is one. NULL: there is none. */
static const struct row *next_valid(const struct rows *rows, const char *owner, const struct row *row)
{
	for (const struct row *at = row ? row + 1 : rows->row; at < rows->row + rows->count; at++)
		if (!at->revoked && strcmp(at->owner, owner) == 0)
			return at;
	return NULL;
}

/* "valid"; of two keys that are, which one is to go. */
static const char *state_of(const struct rows *rows, const struct row *row)
{
	const struct row *first = next_valid(rows, row->owner, NULL);

	if (first != row)
		return "newer";
	return next_valid(rows, row->owner, first) ? "older" : "valid";
}

static void print_row(const struct rows *rows, const struct row *row)
{
	char made[JIT_ISO_SIZE], used[JIT_ISO_SIZE] = "never", gone[JIT_ISO_SIZE];

	jit_iso_format(row->created, made);
	if (row->used)
		jit_iso_format(row->used, used);
	printf("%-18s %-32s %-22s %-22s ", row->id, row->owner, made, used);
	if (row->revoked) {
		jit_iso_format(row->revoked, gone);
		printf("revoked %s\n", gone);
	} else {
		puts(state_of(rows, row));
	}
}

static int list(struct jb_store *store, const char *kind)
{
	struct rows rows;

	if (read_rows(store, kind, &rows) < 0)
		return JB_EXIT_FAILED;
	printf("%-18s %-32s %-22s %-22s %s\n", "ID", strcmp(kind, "host") == 0 ? "HOST" : "PERSON", "MADE", "USED LAST",
	       "STATE");
	for (size_t i = 0; i < rows.count; i++)
		print_row(&rows, &rows.row[i]);
	free(rows.row);
	return jb_admin_printed();
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

/* The id of the owner's oldest valid one; "" where there is none. 0, or -1 and it has been said. */
static int find_oldest(struct jb_store *store, const char *kind, const char *owner, char id[static JB_SECRET_ID_SIZE])
{
	struct rows rows;

	if (read_rows(store, kind, &rows) < 0)
		return -1;
	const struct row *oldest = next_valid(&rows, owner, NULL);
	snprintf(id, JB_SECRET_ID_SIZE, "%s", oldest ? oldest->id : "");
	free(rows.row);
	return 0;
}

static int say_not_added(struct jb_store *store, const char *kind, const char *owner, int r)
{
	char oldest[JB_SECRET_ID_SIZE];

	if (r != -EDQUOT)
		fprintf(stderr, "jit-broker: the store could not take it: %s\n", jb_store_error(store));
	else if (find_oldest(store, kind, owner, oldest) == 0)
		fprintf(stderr,
			"jit-broker: %s has two valid keys already; revoke the older one first: jit-broker key revoke "
			"%s\n",
			owner, oldest);
	return JB_EXIT_FAILED;
}

static int add(const struct jb_conf *conf, struct jb_store *store, const char *kind, const char *owner)
{
	char text[JB_SECRET_SIZE];

	if (!is_owner(conf, kind, owner))
		return JB_EXIT_FAILED;
	int r = jb_store_secret_add(store, kind, owner, jit_wall_s(), text, sizeof(text));
	if (r < 0)
		return say_not_added(store, kind, owner, r);
	fprintf(stderr, "This is shown once and cannot be had again; keep it where only %s reads it.\n",
		strcmp(kind, "host") == 0 ? "that host's jit-helper" : owner);
	puts(text);
	r = jb_admin_printed();
	OPENSSL_cleanse(text, sizeof(text));
	return r;
}

/* A second key beside the one that is there. */
static int rotate(const struct jb_conf *conf, struct jb_store *store, const char *host)
{
	char before[JB_SECRET_ID_SIZE];

	if (!is_owner(conf, "host", host) || find_oldest(store, "host", host, before) < 0)
		return JB_EXIT_FAILED;
	if (!*before) {
		fprintf(stderr, "jit-broker: %s has no valid key yet; make its first one: jit-broker key add %s\n",
			host, host);
		return JB_EXIT_FAILED;
	}
	const int r = add(conf, store, "host", host);
	if (r == JB_EXIT_OK)
		fprintf(stderr,
			"Both keys are valid. Once %s uses the new one, end the one before: jit-broker key revoke %s\n",
			host, before);
	return r;
}

static int end(struct jb_store *store, const char *kind, const char *id)
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

static int manage(const char *kind, int argc, char **argv, const char *how)
{
	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	const char *path = jb_admin_config(argc, argv);
	const char *what = path && optind < argc ? argv[optind] : "";
	const int names = path ? argc - optind - 1 : 0;
	const bool lists = strcmp(what, "list") == 0, adds = strcmp(what, "add") == 0;
	const bool rotates = strcmp(what, "rotate") == 0 && strcmp(kind, "host") == 0;

	if (!(lists && names == 0) && !((adds || rotates || strcmp(what, "revoke") == 0) && names == 1))
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(path, jb_admin_error, NULL);
	STORE *store = conf ? jb_admin_store(conf, adds) : NULL;
	if (!store)
		return JB_EXIT_FAILED;
	if (lists)
		return list(store, kind);
	const char *name = argv[optind + 1];
	if (rotates)
		return rotate(conf, store, name);
	return adds ? add(conf, store, kind, name) : end(store, kind, name);
}

int jb_cmd_key(int argc, char **argv)
{
	return manage("host", argc, argv, "key [--config FILE] add HOST | list | rotate HOST | revoke ID");
}

int jb_cmd_token(int argc, char **argv)
{
	return manage("person", argc, argv, "token [--config FILE] add PERSON | list | revoke ID");
}
