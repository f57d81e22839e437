/*
 * Sessions of people at the page: a cookie that stands for one sign-in of one
 * person. Whoever has proved a person (an identity provider's answer, a trusted
 * proxy) begins one here; nothing here proves anything. The cookie holds 256
 * random bits, the store its SHA-256 alone, so that sessions outlive a restart
 * and a copy of the store opens none.
 */
#ifndef JB_SIGNIN_H
#define JB_SIGNIN_H

#include <stdint.h>

#include "conf.h"
#include "proto.h"
#include "secret.h"
#include "store.h"

#define JB_SIGNIN_COOKIE      "__Host-jit"
#define JB_SIGNIN_HEADER_SIZE 256
#define JB_SIGNIN_A_MINUTE    20 /* sessions that one person may begin in a minute */

struct jb_session {
	char id[JB_SECRET_ID_SIZE]; /* no secret: it may be listed and logged */
	char person[JIT_NAME_SIZE];
	char how[16];		 /* "proxy", "oidc" */
	char csrf[JB_HASH_SIZE]; /* what every form of this session carries */
};

/*
 * Begins a session of a declared person and writes the header line that gives the
 * browser its cookie ("Set-Cookie: …\r\n"; the caller wipes it). 0; -EPERM: no such
 * person, or a shared account; -EBUSY: too many in this minute; -EIO.
 */
int jb_signin_begin(struct jb_store *store, const struct jb_conf *conf, const char *person, const char *how,
		    int64_t now, char header[static JB_SIGNIN_HEADER_SIZE]);

/*
 * Whose session is it, by the Cookie header (NULL: none was sent)? It must be
 * neither ended nor over, and its person declared today. `active`: somebody did
 * something, so its idle time begins anew. 0; -ENOENT; -EIO.
 */
int jb_signin_check(struct jb_store *store, const struct jb_conf *conf, const char *cookies, bool active, int64_t now,
		    struct jb_session *ret);

/* Ends it. `actor`: the person, or "admin". 0; -ENOENT: it is over already; -EIO. */
int jb_signin_end(struct jb_store *store, const char *id, const char *actor, int64_t now);

/* The header line that takes the cookie away again. */
#define JB_SIGNIN_FORGET "Set-Cookie: " JB_SIGNIN_COOKIE "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax\r\n"

/* Is it one of the page's own paths, to which a sign-in may lead back? Nothing else is ever redirected to. */
bool jb_signin_may_lead_to(const char *path);

#endif
