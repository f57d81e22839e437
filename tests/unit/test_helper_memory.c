/*
 * What the helper writes and answers while memory runs out is whole, or it is not
 * there, and none of it ends the process.
 */
#include "unit.h"

#include <json-c/json.h>
#include <stdio.h>

#include "ahead.h"
#include "demo.h"
#include "filing.h"
#include "grant.h"
#include "helper.h"
#include "status.h"
#include "whole.h"

#ifdef JIT_TEST_NO_MEMORY

#define LONG "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"
#define JWK                                                                                                            \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","                     \
	"\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}"

static struct jh_helper helper;
static struct jh_grant grant;
static struct jh_ahead ahead;
static struct jh_question question;
static const struct jh_session session = {.known = true, .uid = 1001, .audit = 7, .leader = 100, .leader_start = 5};

static int setup(void **state)
{
	(void)state;
	snprintf(question.requester, sizeof(question.requester), "op1");
	snprintf(question.service, sizeof(question.service), "sudo");
	snprintf(question.command, sizeof(question.command), "/usr/bin/id " LONG LONG);
	snprintf(question.reason, sizeof(question.reason), "\"why\" " LONG);
	snprintf(question.role, sizeof(question.role), "admin");
	question.duration_s = 900;
	ahead.session = grant.session = session;
	ahead.helper = grant.helper = &helper;
	snprintf(ahead.id, sizeof(ahead.id), "0b6c1111-2222-4333-8444-555555555555");
	snprintf(ahead.comment, sizeof(ahead.comment), LONG LONG);
	ahead.status = "PENDING";
	ahead.remaining_s = 900;
	snprintf(grant.short_id, sizeof(grant.short_id), "R7KD-2M9Q");
	snprintf(grant.targets, sizeof(grant.targets), "root self www-data " LONG);
	snprintf(grant.approved_by, sizeof(grant.approved_by), "appr1 " LONG);
	LIST_INSERT_HEAD(&helper.grants, &grant, link);
	LIST_INSERT_HEAD(&helper.ahead, &ahead, link);
	return 0;
}

static char *filed(void)
{
	const struct jh_filing filing = {.question = &question,
					 .session = &session,
					 .login_user = "op1",
					 .jwk = JWK,
					 .for_host = "web-1",
					 .resume = true};

	begin();
	char *text = jh_filing_body(&filing);
	end();
	return text;
}

static char *filed_at_the_reference(void)
{
	const struct jh_role role = {.name = (char *)"admin",
				     .arn = (char *)"arn:aws:iam::123456789012:role/JIT-Admin"};

	begin();
	char *text = jh_demo_body(&question, &role);
	end();
	return text;
}

/* Without the seconds that have passed. */
static char *text_of(struct json_object *json)
{
	char *text = json ? strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN)) : NULL;
	char *waiting = text ? strstr(text, "\"waiting\":") : NULL;
	if (waiting)
		for (waiting += strlen("\"waiting\":"); *waiting >= '0' && *waiting <= '9'; waiting++)
			*waiting = '0';
	json_object_put(json);
	return text;
}

static char *status(void)
{
	const struct jh_speaker speaker = {.session = session};

	begin();
	struct json_object *json = jh_status_json(&helper, &speaker);
	end();
	return text_of(json);
}

static char *asked_ahead(void)
{
	begin();
	struct json_object *json = jh_ahead_json(&ahead);
	end();
	return text_of(json);
}

static const struct thing things[] = {
	THING(filed, 30),
	THING(filed_at_the_reference, 10),
	THING(status, 40),
	THING(asked_ahead, 10),
};

static void what_is_written_is_whole_or_not_there(void **state)
{
	(void)state;
	all_whole_or_not_there(things, COUNT_OF(things));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef JIT_TEST_NO_MEMORY
		cmocka_unit_test_setup(what_is_written_is_whole_or_not_there, setup),
#else
		cmocka_unit_test(memory_cannot_run_out),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
