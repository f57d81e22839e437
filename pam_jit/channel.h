/*
 * The connection to jit-helper: made without blocking, to a listener that is
 * root or the helper's user, and waited on beside the signals.
 */
#ifndef PJ_CHANNEL_H
#define PJ_CHANNEL_H

#include "quiet.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Connects by `deadline` (jit_boottime_ms). The caller closes *ret_fd.
 * 0; -EINTR: a watched signal is pending; -ETIMEDOUT: the helper accepts
 * nothing; -errno of connect(2): -ENOENT, -ECONNREFUSED: no helper.
 */
int pj_channel_connect(const char *path, const struct pj_quiet *quiet, int64_t deadline, int *ret_fd);

/* The uid of who listens (SO_PEERCRED: as it was at listen(2)). 0 or -errno. */
int pj_channel_peer(int fd, uid_t *ret_uid);

/* Whether the peer has read all that was sent; so it is said to have where that cannot be told. */
bool pj_channel_is_read(int fd);

/*
 * Stays awake for about as long as a helper takes that has the answer at hand, 2 ms at most, or until there is
 * something to read, which stays unread: a processor that goes idle takes as long again to wake, twice in each sudo
 * under a live grant. Where somebody has to decide first, that is the time that is spent in vain.
 */
void pj_channel_expect(int fd);

/*
 * Waits until there is something to read. `client` is whose hang-up ends the wait, or -1.
 * 0; -EINTR: a watched signal; -ECONNABORTED: the client has gone; -ETIMEDOUT: `until` has come; -errno.
 */
int pj_channel_wait(int fd, int client, const struct pj_quiet *quiet, int64_t until);

#endif
