/*
 * An elevation: one open_session connection under a grant. It has a session
 * token (only its hash is kept) and ends with the connection, with CLOSE, with
 * the death of the process that made it, or with the grant.
 */
#ifndef JH_ELEVATION_H
#define JH_ELEVATION_H

#include "grant.h"
#include "peer.h"

#define JH_HASH_LEN 32

struct jh_elevation {
	LIST_ENTRY(jh_elevation) link;
	struct jh_grant *grant;
	struct jh_peer *peer; /* its process: pidfd and facts */
	struct jh_session session;
	char target[JIT_NAME_SIZE];
	uid_t target_uid;
	uint8_t hash[JH_HASH_LEN]; /* SHA-256 of the token */
	bool stands;		   /* TAKEN has come: the token counts */
	bool keyless;		   /* there is no token: recognised by descent */
	bool descent;		   /* see struct jh_trace */
	int terminal;		   /* for warnings; -1: none came along */
	struct jh_alarm taken;
};

/* Answers an OPEN; the peer is the elevation's from here on, or closed. */
void jh_elevation_begin(struct jh_peer *peer, const struct jh_question *question);

/*
 * One that a helper before this one had under the grant: `facts` has session,
 * target, hash and flags. 0; -ESRCH: its process is gone; else -errno: it cannot be watched, and may live on.
 */
int jh_elevation_restore(struct jh_grant *grant, const struct jh_elevation *facts, pid_t pid, uint64_t start);

/* Ends all of a grant's, and closes their connections. */
void jh_elevations_end(struct jh_grant *grant, const char *why);
/* Forgets them: this helper stops, and the next one goes on with them. */
void jh_elevations_leave(struct jh_helper *helper);
/* Is there one that has been offered, and not been taken yet? */
bool jh_elevations_offered(const struct jh_helper *helper);
unsigned jh_elevations_of(const struct jh_grant *grant);
/* Is one of them without a keyring? */
bool jh_elevations_keyless(const struct jh_grant *grant);

/* The standing elevation that the token was made for; compared in constant time. NULL when there is none. */
struct jh_elevation *jh_elevation_by_token(struct jh_helper *helper, const uint8_t token[static JIT_TOKEN_LEN]);

/*
 * The one standing keyless elevation that the peer is in; NULL when there is none, or more than one. 0, or -errno of
 * a shortage: it cannot be told now.
 */
int jh_elevation_around(struct jh_helper *helper, const struct jh_peer *peer, struct jh_elevation **ret);

/*
 * Is that peer in the elevated session? 0 and NULL when it is, or a sentence
 * when it is not; -errno of a shortage: it cannot be told now. Its uid must be
 * the target's, and its audit session the elevation's; where there is none, or
 * no token, it must descend from the elevation's process.
 */
int jh_elevation_judge(const struct jh_elevation *elevation, const struct jh_peer *peer, const char **ret_refusal);

#endif
