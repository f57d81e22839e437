/*
 * A key pair made ahead of need: each request wants a new one, and to make it
 * while somebody waits is a tenth of what the helper does for them. One is kept,
 * and the next one made once whoever took it has had the time to go on.
 */
#ifndef JH_SPARE_H
#define JH_SPARE_H

#include "seal.h"

struct jh_alarms;
struct jh_spare;

/* NULL: out of memory. */
struct jh_spare *jh_spare_new(struct jh_alarms *alarms);
/* NULL is fine. */
void jh_spare_free(struct jh_spare *spare);

/* A key pair that nobody has had: the one that is kept, or a new one, as where `spare` is NULL. 0 or -errno. */
int jh_spare_take(struct jh_spare *spare, EVP_PKEY **ret);

#endif
