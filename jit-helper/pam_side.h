/*
 * pam.sock: what the module sends first decides whose the connection is (an
 * account exchange or an elevation), and the frames that go back.
 */
#ifndef JH_PAM_SIDE_H
#define JH_PAM_SIDE_H

#include <stdint.h>

#include "peer.h"
#include "verdict.h"

#define JH_TAKEN_MS 5000 /* within which an ALLOW is taken, or falls */

struct jh_listener *jh_pam_side_new(struct jh_helper *helper, int fd);

/* Each returns 0, or -errno when the module does not read or is gone. */
int jh_send_say(struct jh_peer *peer, const char *text);
int jh_send_ask(struct jh_peer *peer, const char *text);
int jh_send_wait(struct jh_peer *peer, const char *text, int64_t left_ms);
/* An ALLOW without more than the grant's id. */
int jh_send_allow(struct jh_peer *peer, const char *id);
int jh_send_verdict(struct jh_peer *peer, enum jit_outcome outcome, const char *text);

#endif
