/* See filing.h. */
#include "filing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "b64.h"
#include "json.h"
#include "json_read.h"
#include "names.h"
#include "text.h"

#define RANDOM_LEN 32

int jh_idempotency_new(char buf[static JH_IDEMPOTENCY_SIZE])
{
	uint8_t random[RANDOM_LEN];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	jit_b64_encode(random, sizeof(random), buf);
	return 0;
}

bool jh_login_name(uint32_t login_uid, char *buf, size_t size)
{
	char name[JIT_NAME_SIZE];

	if (login_uid == JH_NO_AUDIT)
		return false;
	if (jh_names_name((uid_t)login_uid, name, sizeof(name)) == 0)
		jit_text_clean_str(buf, size, name);
	else
		snprintf(buf, size, "#%u", (unsigned)login_uid);
	return true;
}

/* False when out of memory; an empty text is left out. */
static bool add(struct json_object *body, const char *name, const char *text)
{
	return !text[0] || jit_json_add(body, name, json_object_new_string(text));
}

static bool add_facts(struct json_object *body, const struct jh_question *q, const struct jh_session *session)
{
	char name[32];

	jh_session_name(session, name, sizeof(name));
	return add(body, "service", q->service) && add(body, "tty", q->tty) && add(body, "rhost", q->rhost) &&
	       add(body, "target", q->target) && add(body, "command", q->command) && add(body, "cwd", q->cwd) &&
	       add(body, "session", session->known ? name : "") && add(body, "reason", q->reason) &&
	       add(body, "ticket", q->ticket);
}

static bool add_kinds(struct json_object *body, const struct jh_filing *f)
{
	return add(body, "forHost", f->for_host) &&
	       (!f->resume || jit_json_add(body, "resume", json_object_new_boolean(true)));
}

char *jh_filing_body(const struct jh_filing *f)
{
	struct json_object *body = json_object_new_object(), *key = jit_json_of(f->jwk);
	struct json_object *login = f->login_user ? json_object_new_string(f->login_user) : NULL;
	char *text = NULL;

	if (body && key && (login || !f->login_user) && add(body, "requester", f->question->requester) &&
	    add(body, "role", f->question->role) &&
	    jit_json_add(body, "duration", json_object_new_int64(f->question->duration_s)) &&
	    jit_json_add(body, "publicKey", json_object_get(key)) &&
	    json_object_object_add(body, "loginUser", json_object_get(login)) == 0 &&
	    add_facts(body, f->question, f->session) && add_kinds(body, f)) {
		const char *plain = jit_json_text(body, NULL);
		text = plain ? strdup(plain) : NULL;
	}
	json_object_put(login);
	json_object_put(key);
	json_object_put(body);
	return text;
}
