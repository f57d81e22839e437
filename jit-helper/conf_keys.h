/*
 * The keys of jit-helper.conf, as one table: where each may stand, how its value
 * is read, its default and its range. For conf.c alone; people read the same in
 * jit-helper.conf(5), and a test compares the two.
 */
#ifndef JH_CONF_KEYS_H
#define JH_CONF_KEYS_H

#include "conf.h"

enum jh_section { JH_HELPER, JH_SERVICE, JH_ROLE, JH_SECTIONS };
enum jh_value { JH_URL, JH_PATH, JH_NAME, JH_SECONDS, JH_WARNINGS, JH_NUMBER, JH_CHOICE, JH_FLAG };

struct jh_conf_key {
	enum jh_section section;
	const char *name;
	enum jh_value kind;
	size_t offset;	      /* of its value in the section's structure */
	const char *fallback; /* NULL: none */
	uint64_t min, max;    /* of a number, and of each duration; of what may repeat, how often */
	const char
		*choices; /* words separated by a blank; the value is the word's place among them (a flag: off, on) */
};

/* NULL: the section has none of that name. */
const struct jh_conf_key *jh_conf_key(enum jh_section section, const char *name);
/* Reads a value into its section. False with a sentence in why. */
bool jh_conf_set(const struct jh_conf_key *key, void *section, const char *value, char *why, size_t size);
/* Every default of a section that is all zero. False: out of memory. */
bool jh_conf_set_defaults(enum jh_section section, void *at);
/* Releases what a section holds under its keys. */
void jh_conf_free_values(enum jh_section section, void *at);

#endif
