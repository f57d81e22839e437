/* REQUEST and FOLLOW on session.sock: exchanges that are answered once the broker has, or people have decided. */
#ifndef JH_AHEAD_SIDE_H
#define JH_AHEAD_SIDE_H

#include "frame.h"
#include "peer.h"
#include "session.h"

/* Each takes the peer over. `session`: that of the process that asks, with its place. */
void jh_asking_request(struct jh_peer *peer, const struct jit_frame *frame, const struct jh_session *session);
void jh_asking_follow(struct jh_peer *peer, const struct jit_frame *frame, const struct jh_session *session);

/* Their peers are closed by others. */
void jh_asking_free_all(void);

/* Something became of one of them: whoever waited for that alone is answered. */
void jh_asking_look(void);

#endif
