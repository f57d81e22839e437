/* The record: its states, its ids, and which of its members goes to whom. */
#include "unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "uuid.h"

#define NOW ((int64_t)1795363200) /* 2026-11-22T16:00:00Z */

static const enum jb_status all[] = {JB_PENDING,   JB_APPROVED, JB_ACTIVE,  JB_DENIED, JB_EXPIRED,
				     JB_CANCELLED, JB_ENDED,	JB_REVOKED, JB_FAILED};

static void only_the_transitions_of_the_table_may_be(void **state)
{
	static const struct {
		enum jb_status from, to;
	} may[] = {
		{JB_PENDING, JB_APPROVED},  {JB_PENDING, JB_DENIED},   {JB_PENDING, JB_EXPIRED},
		{JB_PENDING, JB_CANCELLED}, {JB_APPROVED, JB_ACTIVE},  {JB_APPROVED, JB_CANCELLED},
		{JB_APPROVED, JB_REVOKED},  {JB_APPROVED, JB_EXPIRED}, {JB_APPROVED, JB_FAILED},
		{JB_ACTIVE, JB_ENDED},	    {JB_ACTIVE, JB_REVOKED},   {JB_ACTIVE, JB_EXPIRED},
	};

	(void)state;
	for (size_t f = 0; f < COUNT_OF(all); f++) {
		for (size_t t = 0; t < COUNT_OF(all); t++) {
			bool expected = false;

			for (size_t i = 0; i < COUNT_OF(may); i++)
				expected |= may[i].from == all[f] && may[i].to == all[t];
			if (jb_status_may(all[f], all[t]) != expected)
				fail_msg("%s to %s", jb_status_name(all[f]), jb_status_name(all[t]));
		}
		enum jb_status back;
		assert_true(jb_status_parse(jb_status_name(all[f]), &back));
		assert_int_equal(back, all[f]);
		assert_int_equal(jb_status_final(all[f]), f > 2);
	}
	assert_string_equal(jb_status_name((enum jb_status)99), "UNKNOWN");
}

static struct jb_request *full(enum jb_status status)
{
	struct jb_request *r = jb_request_new();

	assert_non_null(r);
	assert_int_equal(jit_uuid_new(r->id, r->short_id), 0);
	r->version = 3;
	r->status = status;
	r->host = strdup("web-1");
	r->requester = strdup("op1");
	r->role = strdup("admin");
	r->role_arn = strdup("arn:aws:iam::123456789012:role/JIT-Admin");
	r->services = strdup("sudo su");
	r->targets = strdup("root");
	r->scope = strdup("session");
	r->public_key = strdup("{\"kty\":\"EC\"}");
	r->sealed = strdup("ey..a.b.c");
	r->grant_token_hash = strdup("the-token-hash");
	r->body_hash = strdup("the-body-hash");
	r->duration = 900;
	r->requested_at = NOW;
	r->pending_until = NOW + 300;
	r->granted_until = status == JB_ACTIVE ? NOW + 900 : 0;
	r->expires_at = NOW + 90 * 86400;
	memcpy(r->code, "47", 3);
	return r;
}

static void the_store_s_form_keeps_every_field(void **state)
{
	struct jb_request *r = full(JB_ACTIVE), *back, *copy;
	json_object *json = jb_request_to_json(r), *again;

	(void)state;
	assert_non_null(json);
	assert_non_null(back = jb_request_from_json(json));
	assert_non_null(copy = jb_request_copy(back));
	assert_non_null(again = jb_request_to_json(copy));
	assert_true(json_object_equal(json, again));
	assert_int_equal(copy->version, 3);
	assert_string_equal(copy->code, "47");
	assert_int_equal(copy->granted_until, NOW + 900);
	json_object_put(json);
	json_object_put(again);
	jb_request_free(r);
	jb_request_free(back);
	jb_request_free(copy);
	jb_request_free(NULL);
}

static void a_damaged_document_is_no_request(void **state)
{
	static const char *const spoiled[] = {"{\"status\":\"APPROVE\"}",
					      "{\"status\":2}",
					      "{\"version\":\"1\"}",
					      "{\"host\":null}",
					      "{\"duration\":0}",
					      "{\"duration\":\"900\"}",
					      "{\"code\":\"471\"}",
					      "{\"resume\":1}",
					      "{\"id\":\"\"}",
					      "{\"requester\":\"a\\u0000b\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(spoiled); i++) {
		struct jb_request *r = full(JB_PENDING);
		json_object *json = jb_request_to_json(r), *change = json_tokener_parse(spoiled[i]);

		json_object_object_foreach(change, name, value)
			json_object_object_add(json, name, json_object_get(value));
		if (jb_request_from_json(json))
			fail_msg("%s was taken", spoiled[i]);
		json_object_put(change);
		json_object_put(json);
		jb_request_free(r);
	}
	assert_null(jb_request_from_json(NULL));
}

static bool has(json_object *json, const char *name)
{
	return json_object_object_get_ex(json, name, NULL);
}

static void code_and_credentials_go_to_the_host_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct jb_request *r = full(all[i]);
		json_object *host = jb_request_for_host(r, NOW), *approver = jb_request_for_approver(r, NOW);
		const char *text = json_object_to_json_string(approver);

		assert_int_equal(has(host, "code"), all[i] == JB_PENDING);
		assert_int_equal(has(host, "sealedCredentials"), all[i] == JB_APPROVED || all[i] == JB_ACTIVE);
		assert_int_equal(has(host, "roleArn"), all[i] == JB_APPROVED || all[i] == JB_ACTIVE);
		assert_null(strstr(text, "\"47\""));
		assert_null(strstr(text, r->sealed));
		assert_true(has(approver, "grants"));
		for (int side = 0; side < 2; side++) {
			const char *all_text = json_object_to_json_string(side ? host : approver);

			assert_null(strstr(all_text, "the-body-hash")); /* hashes and keys go nowhere */
			assert_null(strstr(all_text, "the-token-hash"));
			assert_null(strstr(all_text, "kty"));
		}
		json_object_put(host);
		json_object_put(approver);
		jb_request_free(r);
	}
}

static int64_t remaining(enum jb_status status, int64_t now)
{
	struct jb_request *r = full(status);
	json_object *json = jb_request_for_host(r, now), *value;
	int64_t seconds = json_object_object_get_ex(json, "remaining", &value) ? json_object_get_int64(value) : -1;

	json_object_put(json);
	jb_request_free(r);
	return seconds;
}

static void remaining_counts_from_sending(void **state)
{
	(void)state;
	assert_int_equal(remaining(JB_PENDING, NOW), -1);
	assert_int_equal(remaining(JB_APPROVED, NOW + 500), 900);
	assert_int_equal(remaining(JB_ACTIVE, NOW + 100), 800);
	assert_int_equal(remaining(JB_ACTIVE, NOW + 901), 0);
	assert_int_equal(remaining(JB_REVOKED, NOW), -1);
}

static void the_approver_reads_what_is_really_granted(void **state)
{
	struct jb_request *r = full(JB_PENDING);
	char text[512];

	(void)state;
	jb_request_grants(r, text, sizeof(text));
	assert_string_equal(text, "any command that sudo, su allow, as root on web-1, for 15 min, and AWS credentials "
				  "of arn:aws:iam::123456789012:role/JIT-Admin");
	free(r->services);
	free(r->targets);
	free(r->role_arn);
	r->services = strdup("sudo");
	r->targets = strdup("*");
	r->role_arn = NULL;
	r->granted_until = NOW;
	jb_request_grants(r, text, sizeof(text));
	assert_string_equal(text, "any command that sudo allows, as any user on web-1, until 2026-11-22T16:00:00Z");
	jb_request_free(r);
}

static void ids_are_read_in_every_way_people_write_them(void **state)
{
	static const struct {
		const char *text, *normal; /* NULL: refused */
	} cases[] = {
		{"R7KD-2M9Q", "R7KD-2M9Q"},
		{"r7kd2m9q", "R7KD-2M9Q"},
		{"r7kd-2moq", "R7KD-2M0Q"},
		{"ILOO-1100", "1100-1100"},
		{"01234567-89AB-4cde-8f01-23456789abcd", "01234567-89ab-4cde-8f01-23456789abcd"},
		{"01234567-89ab-4cde-8f01-23456789abcg", NULL},
		{"01234567x89ab-4cde-8f01-23456789abcd", NULL},
		{"R7KD-2M9", NULL},
		{"R7KD-2M9QQ", NULL},
		{"R7KD--2M9Q", NULL},
		{"R7K-D2M9Q", NULL},
		{"R7KD2M9Q-", NULL},
		{"R7KU-2M9Q", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char buf[37] = "";
		bool is_short;

		if (jb_request_parse_id(cases[i].text, buf, &is_short) != (cases[i].normal != NULL))
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].normal)
			assert_string_equal(buf, cases[i].normal);
	}
}

static void a_short_id_is_the_uuid_s_first_forty_bits(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char id[37], short_id[10], normal[37];
	bool is_short;

	(void)state;
	for (int n = 0; n < 100; n++) {
		assert_int_equal(jit_uuid_new(id, short_id), 0);
		assert_int_equal(id[14], '4');
		assert_non_null(strchr("89ab", id[19]));
		assert_true(jb_request_parse_id(id, normal, &is_short) && !is_short);
		assert_true(jb_request_parse_id(short_id, normal, &is_short) && is_short);
		char hex[11] = "";
		memcpy(hex, id, 8);
		memcpy(hex + 8, id + 9, 2);
		uint64_t bits = strtoull(hex, NULL, 16), got = 0;
		for (int i = 0; i < 9; i++)
			if (i != 4)
				got = got << 5 | (uint64_t)(strchr(digits, short_id[i]) - digits);
		assert_true(bits == got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_transitions_of_the_table_may_be),
		cmocka_unit_test(the_store_s_form_keeps_every_field),
		cmocka_unit_test(a_damaged_document_is_no_request),
		cmocka_unit_test(code_and_credentials_go_to_the_host_alone),
		cmocka_unit_test(remaining_counts_from_sending),
		cmocka_unit_test(the_approver_reads_what_is_really_granted),
		cmocka_unit_test(ids_are_read_in_every_way_people_write_them),
		cmocka_unit_test(a_short_id_is_the_uuid_s_first_forty_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
