/* See signin.h. */
#include "signin.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "form.h"
#include "request.h"

#define TOUCH_S 30 /* a use is written down when the last one is so long ago: reading pages is no write each */

/* Bound to the cookie, told by neither the store nor the session's id. */
static int make_csrf(const char *cookie, char csrf[static JB_HASH_SIZE])
{
	char text[JB_SECRET_SIZE + 16];
	int n = snprintf(text, sizeof(text), "form of %s", cookie);
	int r = n > 0 && (size_t)n < sizeof(text) ? jb_sha256_hex(text, (size_t)n, csrf) : -EINVAL;

	OPENSSL_cleanse(text, sizeof(text));
	return r;
}

/* A person of today's configuration, and one human being. */
static bool may_sign_in(const struct jb_conf *conf, const char *name)
{
	const struct jb_person *person = jb_conf_person(conf, name);

	return person && !person->shared;
}

int jb_signin_begin(struct jb_store *store, const struct jb_conf *conf, const char *person, const char *how,
		    int64_t now, char header[static JB_SIGNIN_HEADER_SIZE])
{
	struct jb_session_row row = {.begun = now, .used = now};
	char cookie[JB_SECRET_SIZE];
	size_t recent;

	if (!may_sign_in(conf, person))
		return -EPERM;
	int r = jb_store_session_prune(store, now - conf->session_lifetime, now - conf->session_idle);
	if (r == 0)
		r = jb_store_session_count(store, person, now - 60, &recent);
	if (r == 0 && recent >= JB_SIGNIN_A_MINUTE)
		return -EBUSY;
	if (r == 0)
		r = jb_secret_new_key(cookie, row.id, row.hash);
	if (r < 0)
		return r;
	snprintf(row.person, sizeof(row.person), "%s", person);
	snprintf(row.how, sizeof(row.how), "%s", how);
	r = jb_store_session_add(store, &row);
	if (r == 0)
		snprintf(header, JB_SIGNIN_HEADER_SIZE,
			 "Set-Cookie: " JB_SIGNIN_COOKIE "=%s; Path=/; Max-Age=%u; Secure; HttpOnly; SameSite=Lax\r\n",
			 cookie, conf->session_lifetime);
	OPENSSL_cleanse(cookie, sizeof(cookie));
	return r;
}

static bool is_over(const struct jb_conf *conf, const struct jb_session_row *row, int64_t now)
{
	return now >= row->begun + conf->session_lifetime || now >= row->used + conf->session_idle;
}

static int check_cookie(struct jb_store *store, const struct jb_conf *conf, const char *cookie, bool active,
			int64_t now, struct jb_session *ret)
{
	struct jb_session_row row;
	char id[JB_SECRET_ID_SIZE];

	if (!jb_secret_key_id(cookie, id))
		return -ENOENT;
	int r = jb_store_session_get(store, id, &row);
	if (r < 0)
		return r;
	if (!jb_secret_fits(cookie, row.hash) || is_over(conf, &row, now) || !may_sign_in(conf, row.person))
		return -ENOENT;
	if (active && now >= row.used + TOUCH_S)
		r = jb_store_session_use(store, id, now);
	struct jb_session session = {0};
	if (r == 0)
		r = make_csrf(cookie, session.csrf);
	if (r < 0)
		return r;
	memcpy(session.id, row.id, sizeof(session.id));
	memcpy(session.person, row.person, sizeof(session.person));
	memcpy(session.how, row.how, sizeof(session.how));
	*ret = session;
	return 0;
}

int jb_signin_check(struct jb_store *store, const struct jb_conf *conf, const char *cookies, bool active, int64_t now,
		    struct jb_session *ret)
{
	char cookie[JB_SECRET_SIZE];

	if (jb_cookie(cookies, JB_SIGNIN_COOKIE, cookie, sizeof(cookie)) < 0)
		return -ENOENT;
	int r = check_cookie(store, conf, cookie, active, now, ret);
	OPENSSL_cleanse(cookie, sizeof(cookie));
	return r;
}

int jb_signin_end(struct jb_store *store, const char *id, const char *actor, int64_t now)
{
	return jb_store_session_end(store, id, actor, now);
}

bool jb_signin_may_lead_to(const char *path)
{
	char id[37];
	bool is_short;

	return strcmp(path, "/") == 0 || strcmp(path, "/history") == 0 ||
	       (strncmp(path, "/r/", 3) == 0 && strlen(path) < 64 && jb_request_parse_id(path + 3, id, &is_short));
}
