/* What the administrators' commands share: their options, configuration and store, and how they answer. */
#ifndef JB_ADMIN_PRIVATE_H
#define JB_ADMIN_PRIVATE_H

#include <stdbool.h>

#include "cleanup.h"
#include "conf.h"
#include "store.h"

static inline void jb_admin_conf_freep(struct jb_conf **conf)
{
	jb_conf_free(*conf);
}
static inline void jb_admin_store_closep(struct jb_store **store)
{
	jb_store_close(*store);
}
#define CONF  JIT_CLEANUP(jb_admin_conf_freep) struct jb_conf
#define STORE JIT_CLEANUP(jb_admin_store_closep) struct jb_store

/* Prints an error of the configuration, or another sentence. */
void jb_admin_error(void *arg, const char *message);
int jb_admin_usage(const char *text);
bool jb_admin_wants_help(int argc, char **argv);
int jb_admin_help(const char *text);
/* Reads --config, the one option of these commands; the rest of argv begins at optind. NULL: another option. */
const char *jb_admin_config(int argc, char **argv);
/* Only what adds to a store may make it: an empty one in a wrong place has a whole chain and no keys. NULL: said so. */
struct jb_store *jb_admin_store(const struct jb_conf *conf, bool may_make);
/* What was printed may not have arrived: a copy of the chain that a full disk cut short looks whole. */
int jb_admin_printed(void);

#endif
