/*
 * `jit-helper pam`: puts our lines into PAM's files on an administrator's word,
 * takes them out again, and shows where they stand (jit-helper(8)). It runs in a
 * package's removal too, so it needs no daemon, no configuration, no terminal.
 */
#ifndef JH_PAMD_H
#define JH_PAMD_H

#include <stdbool.h>
#include <stddef.h>

enum jh_pamd_exit {
	JH_PAMD_DONE = 0,
	JH_PAMD_REFUSED = 1, /* or failed; what is named was not changed */
	JH_PAMD_USAGE = 64,
	JH_PAMD_NO_SERVICE = 69, /* or not root */
};

struct jh_pamd_options {
	bool observe, dry_run, force, all;
	char **services;
	int count;
	const char *const *args; /* behind -- */
	int arg_count;
};

/* argv[0] is "pam". The exit status of the program. */
int jh_pamd(int argc, char **argv);

/* Each prints what it did and why it did not; each is called with the lock held, but for show. */
enum jh_pamd_exit jh_pamd_enable(const struct jh_pamd_options *options);
enum jh_pamd_exit jh_pamd_disable(const struct jh_pamd_options *options);
enum jh_pamd_exit jh_pamd_disable_all(const struct jh_pamd_options *options);
enum jh_pamd_exit jh_pamd_show(const struct jh_pamd_options *options);

/* In the first line of a file: it stands in for the one that the distribution ships elsewhere. */
#define JH_PAMD_COPIED "# jit-helper pam: copied from "

/* Refuses a name that is no service's, with a sentence on standard error. */
bool jh_pamd_is_service(const char *name);
/* Neither folder has it: says so. */
enum jh_pamd_exit jh_pamd_no_service(const char *name);

/* Does the file's line with that number have our mark? */
bool jh_pamd_is_written_by_us(const char *path, unsigned number);

#endif
