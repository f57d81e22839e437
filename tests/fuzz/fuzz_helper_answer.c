/*
 * What a broker answers, and what is made of it: nothing but a whole request of this requester leads to an approval,
 * and whatever the answer was, one sentence of clean text comes of it.
 */
#include <openssl/crypto.h>

#include <json-c/json.h>

#include "answer.h"
#include "creds.h"
#include "demo.h"
#include "fuzz.h"
#include "seal.h"
#include "text.h"
#include "verdict.h"

#define URL "https://broker.example"

/* An answer's first byte: its status, and what was asked. */
static const long statuses[] = {200, 200, 200, 403, 400, 401, 404, 409, 422, 429, 500, 502, 503, 504, 302, 100};

static void check_clean(const char *text, size_t size)
{
	char clean[4096];

	FUZZ_CHECK(strnlen(text, size) < size && size <= sizeof(clean));
	jit_text_clean_str(clean, sizeof(clean), text);
	FUZZ_CHECK(strcmp(clean, text) == 0);
}

static void check_verdict(const struct jh_verdict *v)
{
	FUZZ_CHECK(v->outcome != JIT_ALLOW && v->outcome != JIT_IGNORE);
	FUZZ_CHECK(v->text[0]);
	check_clean(v->text, sizeof(v->text));
}

static void check_answer(const struct jh_answer *a)
{
	struct jh_verdict v = {.outcome = JIT_INVALID};

	check_clean(a->id, sizeof(a->id));
	check_clean(a->requester, sizeof(a->requester));
	check_clean(a->role, sizeof(a->role));
	check_clean(a->comment, sizeof(a->comment));
	check_clean(a->services, sizeof(a->services));
	check_clean(a->targets, sizeof(a->targets));
	FUZZ_CHECK(strspn(a->region, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(a->region));
	FUZZ_CHECK(strlen(a->id) == JIT_ID_SIZE - 1 && strlen(a->short_id) == JH_SHORT_SIZE - 1);
	FUZZ_CHECK(jh_id_matches(a->short_id, a->id, a->short_id) && jh_id_matches(a->id, a->id, a->short_id));
	FUZZ_CHECK(!a->sealed || strlen(a->sealed) <= JIT_SEAL_JWE_MAX);
	bool approved = a->status == JH_APPROVED || a->status == JH_ACTIVE;
	if (approved)
		FUZZ_CHECK(a->services[0] && a->targets[0] && a->remaining_s >= 0);
	jh_judge_decision(a, a->pending_s, &v);
	FUZZ_CHECK((v.outcome == JIT_ALLOW) == approved);
	check_clean(v.text, sizeof(v.text));
}

static void judge_filing(const struct jit_fetch_result *result, uint8_t flags)
{
	const struct jh_filing_facts facts = {
		.broker = URL,
		.requester = "op1",
		.role = flags & 16 ? "admin" : JH_ROLE_ANY,
		.has_reason = flags & 32,
		.has_ticket = flags & 32,
		.by_jit = flags & 64,
		.first = flags & 128,
	};
	struct jh_verdict verdict = {.outcome = JIT_ALLOW};
	struct jh_answer answer;

	if (jh_judge_filing(result, &facts, &answer, &verdict) != JH_FILED_REQUEST) {
		check_verdict(&verdict);
		return;
	}
	FUZZ_CHECK(result->status == 200 && strcmp(answer.requester, "op1") == 0);
	FUZZ_CHECK(!(flags & 16) || strcmp(answer.role, "admin") == 0);
	check_answer(&answer);
	jh_answer_clear(&answer);
}

/* The reference deployment's, where nobody approves. */
static void judge_demo(const struct jit_fetch_result *result)
{
	static const struct jh_question question = {
		.service = "sudo", .app = "sudo", .requester = "op1", .target = "root", .duration_s = 900};
	static const struct jh_role role = {.name = (char *)"admin", .arn = (char *)"arn:aws:iam::1:role/a"};
	const struct jh_demo_facts facts = {
		.broker = URL, .question = &question, .role = &role, .now_s = 1795363200, .now_ms = 1000};
	struct jh_verdict verdict = {.outcome = JIT_ALLOW};
	struct jh_answer answer;
	struct jh_creds creds;

	if (!jh_demo_judge(result, &facts, &answer, &creds, &verdict)) {
		check_verdict(&verdict);
		return;
	}
	FUZZ_CHECK(result->status == 200 && answer.remaining_s > 0 && answer.remaining_s <= question.duration_s);
	FUZZ_CHECK(creds.expires_at > facts.now_s && creds.access_key.len && creds.secret_key.len);
	check_answer(&answer);
	jh_creds_clear(&creds);
}

/* What was sealed for the host. */
static void read_credentials(const char *body, size_t len)
{
	char *plain = OPENSSL_secure_malloc(len + 1);
	static struct jit_frame frame;
	struct jh_creds creds;
	const uint8_t *json;
	size_t json_len;

	FUZZ_CHECK(plain);
	memcpy(plain, body, len + 1);
	if (jh_creds_read(plain, len, &creds) < 0) {
		OPENSSL_secure_clear_free(plain, len + 1);
		return;
	}
	jit_frame_start(&frame, JIT_F_DOCUMENT);
	jh_creds_put(&creds, &frame);
	if (!frame.overflow) {
		FUZZ_CHECK(jit_frame_check(&frame) == 0 && jit_frame_get(&frame, JIT_T_JSON, 0, &json, &json_len));
		struct json_object *read = jh_json_read((const char *)json, json_len);
		FUZZ_CHECK(read); /* what SDKs are given is JSON */
		json_object_put(read);
	}
	jh_creds_clear(&creds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	if (size == 0)
		return 0;
	char *body = fuzz_all(data + 1, size - 1);
	struct jit_fetch_result result = {.status = statuses[data[0] & 15],
					  .why = "",
					  .body = body,
					  .body_len = size - 1,
					  .content_type = "application/json",
					  .tried = ""};
	judge_filing(&result, data[0]);
	judge_demo(&result);
	read_credentials(body, size - 1);
	jh_error_read(body, size - 1, code, message);
	check_clean(code, sizeof(code));
	check_clean(message, sizeof(message));
	free(body);
	return 0;
}
