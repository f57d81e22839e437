/* See place.h. */
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "cleanup.h"
#include "elevation.h"
#include "grant.h"
#include "helper.h"
#include "peer.h"
#include "request.h"

/* One file for each session. Where that is not there, nothing in /proc has to be read either. */
#define LOGIND "/run/systemd/sessions"

/* Of what came from the network only what can be a host's name or address names a place: never the console. */
static bool names_a_host(const char *name)
{
	return name[0] &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:%")] == '\0' &&
	       strcmp(name, "UNKNOWN") != 0; /* so sshd calls what it cannot name */
}

void jh_place_of_login(const struct jh_question *q, char place[static JIT_NAME_SIZE])
{
	if (names_a_host(q->rhost))
		memcpy(place, q->rhost, JIT_NAME_SIZE);
	else
		snprintf(place, JIT_NAME_SIZE, "%s", strcmp(q->app, "sshd") == 0 || q->rhost[0] ? "" : JH_PLACE_LOCAL);
}

/* What logind keeps below /run: small files, no bus. */
static void ask_logind(struct jh_peer *peer, char place[static JIT_NAME_SIZE])
{
	JIT_FREE char *name = NULL;
	JIT_FREE char *host = NULL;
	uid_t uid;

	if (access(LOGIND, F_OK) < 0 || jh_peer_look_login(peer) < 0 || sd_pid_get_session(peer->proc.pid, &name) < 0 ||
	    sd_session_get_uid(name, &uid) < 0 || (uint32_t)uid != peer->proc.login_uid)
		return;
	int remote = sd_session_is_remote(name);
	if (remote == 0)
		snprintf(place, JIT_NAME_SIZE, "%s", JH_PLACE_LOCAL);
	else if (remote > 0 && sd_session_get_remote_host(name, &host) >= 0 && host && strlen(host) < JIT_NAME_SIZE &&
		 names_a_host(host))
		snprintf(place, JIT_NAME_SIZE, "%s", host);
}

/* Takes over what was found for another of the same login session. False: that was nothing. */
static bool same_place(const struct jh_session *other, struct jh_session *session)
{
	if (!other->place[0] || !jh_session_same(other, session))
		return false;
	memcpy(session->place, other->place, sizeof(session->place));
	return true;
}

/*
 * What was found when an elevation began or something was asked for in the same login session, and stays for as long as
 * that does. What nobody knew is asked anew: logind may have been short of something, or the process moved by its user.
 */
static bool recall(const struct jh_helper *helper, struct jh_session *session)
{
	const struct jh_elevation *e;
	const struct jh_request *r;
	const struct jh_grant *g;
	bool found = false;

	for (e = LIST_FIRST(&helper->elevations); e && !found; e = LIST_NEXT(e, link))
		found = same_place(&e->session, session);
	for (g = LIST_FIRST(&helper->grants); g && !found; g = LIST_NEXT(g, link))
		found = same_place(&g->session, session);
	for (r = LIST_FIRST(&helper->requests); r && !found; r = LIST_NEXT(r, link))
		found = same_place(&r->session, session);
	return found;
}

void jh_place_find(struct jh_peer *peer, const struct jh_question *q, struct jh_session *session)
{
	session->place[0] = '\0';
	if (q && jh_question_is_login(q))
		jh_place_of_login(q, session->place);
	else if (!recall(peer->helper, session))
		ask_logind(peer, session->place);
}

bool jh_place_same(const struct jh_session *a, const struct jh_session *b)
{
	return a->place[0] && strcmp(a->place, b->place) == 0;
}
