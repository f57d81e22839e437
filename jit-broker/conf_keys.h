/*
 * The keys of jit-broker.conf, as one table: where each may stand, how its value is
 * read, its default and its range. For conf.c alone.
 */
#ifndef JB_CONF_KEYS_H
#define JB_CONF_KEYS_H

#include "conf.h"

enum jb_section { JB_BROKER, JB_ROLE, JB_GROUP, JB_PERSON, JB_HOST, JB_WEBHOOK, JB_MAIL, JB_PLAN, JB_SECTIONS };
enum jb_value {
	JB_TEXT,
	JB_APPENDED,
	JB_WORDS,
	JB_SECONDS,
	JB_NUMBER,
	JB_CHOICE,
	JB_FLAG,
	JB_LISTEN,
	JB_HOURS,
	JB_AUTO, /* a choice, or "hours …" */
	JB_SOURCES,
	JB_OIDC,
};

struct jb_conf_key {
	enum jb_section section;
	const char *name;
	enum jb_value kind;
	size_t offset;	      /* of its value in the section's structure */
	const char *fallback; /* NULL: none */
	uint32_t min, max;    /* of a number; of an appended text its bytes */
	const char
		*choices; /* words separated by a blank; the value is the word's place among them (a flag: off, on) */
};

extern const struct jb_conf_key jb_conf_keys[JB_KEY_COUNT];

/* May the key stand in several lines, each adding to the ones before? */
bool jb_conf_repeats(const struct jb_conf_key *key);
/* Reads a value, of that line, into its section. False with a sentence in why. */
bool jb_conf_set(const struct jb_conf_key *key, void *section, const char *value, unsigned line, char *why,
		 size_t why_size);
/* Releases what a section holds under that key. */
void jb_conf_free_value(const struct jb_conf_key *key, void *section);
/* Adds the blank-separated words. False: out of memory. */
bool jb_words_add(struct jb_words *words, const char *text);

#endif
