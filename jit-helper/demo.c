/* See demo.h. */
#include "demo.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "text.h"
#include "uuid.h"

/* STS gives no role for less; a role that a role assumes ends after an hour. */
#define STS_LEAST_S 900
#define STS_MOST_S  3600
#define OPERATOR    "tell the operator of this host"
#define DEPLOYMENT  "the reference deployment at %.160s"

const struct jh_role *jh_demo_role(const struct jh_conf *conf, const struct jh_question *q)
{
	return strcmp(q->role, JH_ROLE_ANY) == 0 ? TAILQ_FIRST(&conf->roles) : jh_conf_role(conf, q->role);
}

static int64_t duration_sent(int64_t wanted_s)
{
	return wanted_s < STS_LEAST_S ? STS_LEAST_S : wanted_s > STS_MOST_S ? STS_MOST_S : wanted_s;
}

char *jh_demo_body(const struct jh_question *q, const struct jh_role *role)
{
	JIT_JSON struct json_object *body = json_object_new_object();

	if (!jit_json_add(body, "requester", json_object_new_string(q->requester)) ||
	    !jit_json_add(body, "role", json_object_new_string(role->name)) ||
	    !jit_json_add(body, "roleArn", json_object_new_string(role->arn)) ||
	    !jit_json_add(body, "duration", json_object_new_int64(duration_sent(q->duration_s))) ||
	    !jit_json_add(body, "simulateApproval", json_object_new_boolean(true)))
		return NULL;
	const char *text = jit_json_text(body, NULL);
	return text ? strdup(text) : NULL;
}

__attribute__((format(printf, 3, 4))) static bool refuse(struct jh_verdict *v, enum jit_outcome outcome,
							 const char *format, ...)
{
	char raw[2 * JIT_LINE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	*v = (struct jh_verdict){.outcome = outcome};
	jit_text_clean_str(v->text, sizeof(v->text), raw);
	return false;
}

/* The front door's own words, and the function's. */
static bool refuse_status(const struct jit_fetch_result *result, const char *broker, struct jh_verdict *v)
{
	char code[JH_CODE_SIZE], message[JIT_LINE_SIZE];
	const long status = result->status;

	jh_error_read(result->body, result->body_len, code, message);
	if (status == 403 && strcmp(message, "Missing Authentication Token") == 0)
		return refuse(v, JIT_UNAVAILABLE,
			      DEPLOYMENT " has no /request-access: broker must end with the stage's name, such as "
					 "/prod; " OPERATOR,
			      broker);
	if (status == 403)
		return refuse(v, JIT_UNAVAILABLE, DEPLOYMENT " does not know this host's API key; " OPERATOR, broker);
	if (status == 429 && strcmp(message, "Limit Exceeded") == 0)
		return refuse(v, JIT_UNAVAILABLE, "the quota of " DEPLOYMENT " is used up (%s); " OPERATOR, broker,
			      message);
	if (status == 429)
		return refuse(v, JIT_UNAVAILABLE, DEPLOYMENT " takes no more requests now (%s); try again in a moment",
			      broker, message[0] ? message : "HTTP status 429");
	if (status >= 400 && status < 500 && message[0])
		return refuse(v, JIT_UNAVAILABLE, DEPLOYMENT " did not accept the request: %s; " OPERATOR, broker,
			      message);
	refuse(v, JIT_UNAVAILABLE, DEPLOYMENT " failed with HTTP status %ld%s%s; " OPERATOR, broker, status,
	       message[0] ? ": " : "", message);
	v->no_answer = jh_no_answer(result);
	return false;
}

static bool is_standard(struct json_object *json)
{
	return json_object_object_get_ex(json, "executionArn", NULL) ||
	       json_object_object_get_ex(json, "requestId", NULL);
}

static bool refuse_200(const struct jit_fetch_result *result, const char *broker, struct jh_verdict *v)
{
	char code[JH_CODE_SIZE], message[JIT_LINE_SIZE];
	/* Credentials that could not be read are handed to no library that would leave copies of them behind. */
	bool secret = memmem(result->body, result->body_len, "SecretAccessKey", strlen("SecretAccessKey")) != NULL;
	JIT_JSON struct json_object *json = secret ? NULL : jh_json_read(result->body, result->body_len);

	if (!json_object_is_type(json, json_type_object))
		return refuse(v, JIT_UNAVAILABLE, "the answer of " DEPLOYMENT " makes no sense; " OPERATOR, broker);
	if (is_standard(json))
		return refuse(v, JIT_UNAVAILABLE,
			      DEPLOYMENT " took the request in, and can never say what came of it: its workflow is a "
					 "Standard one; make it Express, or run jit-broker",
			      broker);
	jh_error_read(result->body, result->body_len, code, message);
	if (!message[0])
		return refuse(v, JIT_UNAVAILABLE, "the answer of " DEPLOYMENT " makes no sense; " OPERATOR, broker);
	return refuse(v, JIT_DENIED, DEPLOYMENT " says no: %s", broker, message);
}

/* As an approval of a broker would say it; false: they are over. */
static bool make_answer(const struct jh_demo_facts *f, int64_t life_s, struct jh_answer *ret)
{
	const struct jh_question *q = f->question;
	const char *target = jh_question_is_login(q) ? q->requester : q->target[0] ? q->target : "root";
	struct jh_answer a = {.status = JH_ACTIVE, .has_arn = true, .pending_s = -1, .sent_at = -1};

	a.remaining_s = life_s < q->duration_s ? life_s : q->duration_s;
	if (a.remaining_s <= 0 || jit_uuid_new(a.id, a.short_id) < 0)
		return false;
	snprintf(a.requester, sizeof(a.requester), "%s", q->requester);
	snprintf(a.role, sizeof(a.role), "%s", f->role->name);
	snprintf(a.services, sizeof(a.services), "%s", q->service);
	snprintf(a.targets, sizeof(a.targets), "%s", target);
	snprintf(a.scope, sizeof(a.scope), "session");
	snprintf(a.on_expiry, sizeof(a.on_expiry), "warn");
	snprintf(a.decided_by, sizeof(a.decided_by), "nobody");
	snprintf(a.comment, sizeof(a.comment), DEPLOYMENT " lets whoever asks approve itself", f->broker);
	*ret = a;
	return true;
}

static bool take(const struct jit_fetch_result *result, struct jh_creds *ret)
{
	char *plain = OPENSSL_secure_malloc(result->body_len + 1);

	if (!plain)
		return false;
	memcpy(plain, result->body, result->body_len);
	plain[result->body_len] = '\0';
	if (jh_creds_read_clear(plain, result->body_len, ret) == 0)
		return true;
	OPENSSL_secure_clear_free(plain, result->body_len + 1);
	return false;
}

bool jh_demo_judge(const struct jit_fetch_result *result, const struct jh_demo_facts *f, struct jh_answer *ret_answer,
		   struct jh_creds *ret_creds, struct jh_verdict *ret_verdict)
{
	char trouble[JIT_LINE_SIZE];
	struct jh_creds creds;

	if (result->fault != JIT_FETCH_OK) {
		jh_trouble(result, f->broker, trouble, sizeof(trouble));
		refuse(ret_verdict, JIT_UNAVAILABLE, "%s; " OPERATOR, trouble);
		ret_verdict->no_answer = jh_no_answer(result);
		return false;
	}
	if (result->status != 200)
		return refuse_status(result, f->broker, ret_verdict);
	if (!take(result, &creds))
		return refuse_200(result, f->broker, ret_verdict);
	int64_t life_s = creds.expires_at - (result->date > 0 ? result->date : f->now_s);
	if (!make_answer(f, life_s, ret_answer)) {
		jh_creds_clear(&creds);
		return refuse(ret_verdict, JIT_UNAVAILABLE,
			      "the credentials of " DEPLOYMENT " were over when they came; " OPERATOR, f->broker);
	}
	creds.taken_ms = f->now_ms;
	creds.expires_ms = f->now_ms + life_s * 1000;
	creds.last = true;
	*ret_creds = creds;
	return true;
}
