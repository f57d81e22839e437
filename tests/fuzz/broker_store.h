/*
 * A broker's configuration and store in a folder of their own, which is in memory and gone when the target ends. Each
 * input begins with the store as it was kept once.
 */
#ifndef JIT_FUZZ_BROKER_STORE_H
#define JIT_FUZZ_BROKER_STORE_H

#include "conf.h"
#include "store.h"

/* The folder; the configuration's store must be broker.db in it. */
const char *fuzz_store_folder(void);
/* The configuration that this text is. */
struct jb_conf *fuzz_store_conf(const char *text);
/* What is there now, in a store that is closed, is what each input begins with. */
void fuzz_store_keep(void);
/* As it was kept, and open. */
struct jb_store *fuzz_store_begin(const struct jb_conf *conf);

#endif
