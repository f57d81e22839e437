/* systemd's watchdog: it hears from the loop, and only while a store on this machine answers. */
#ifndef JB_WATCHDOG_H
#define JB_WATCHDOG_H

struct event_base;
struct jb_store;
struct jb_watchdog;

/* *ret is NULL where nobody watches. 0 or -ENOMEM. */
int jb_watchdog_new(struct event_base *base, struct jb_store *store, struct jb_watchdog **ret);
void jb_watchdog_free(struct jb_watchdog *watchdog); /* NULL is fine */

#endif
