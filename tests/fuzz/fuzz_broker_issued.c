/*
 * What AssumeJITRole, or the Express workflow that invokes it, answers to the broker that has it issue: credentials
 * come of an answer alone that has them whole, sealed to the key of this one call and good no longer than was asked;
 * all else is one clean sentence. The first byte says how it is asked: 'f' the function, 'w' the workflow, 'a' the
 * workflow of a request that is approved; then the answer (calls.h), in which SEALED stands for credentials as they
 * should be, LONGER for such that are good for too long, OTHERS for such that somebody else can open.
 */
#include <event2/event.h>

#include "bob.h"
#include "calls.h"
#include "conf.h"
#include "credentials.h"
#include "issuer_kinds.h"
#include "json.h"
#include "json_read.h"
#include "seal.h"
#include "text.h"

#define ID     "0b6c1f6e-0000-4000-8000-000000000001"
#define UNTIL  ((int64_t)1795366800)
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static struct jb_issuer *issuer;
static unsigned told;
static bool knows;    /* the answer itself says what is sealed in it */
static bool is_given; /* credentials have come */

static void start(void)
{
	static char function[] = "AssumeJITRole", region[] = "eu-west-1", credentials[] = "environment",
		    workflow[] = "arn:aws:states:eu-west-1:123456789012:stateMachine:issue";
	static const struct jb_conf conf = {.issue_function = function,
					    .issue_workflow = workflow,
					    .issuer_region = region,
					    .issuer_credentials = credentials};
	struct event_base *base = event_base_new();
	char why[256];

	fuzz_be_a_function();
	FUZZ_CHECK(base && (issuer = jb_issuer_function_new(base, &conf, why, sizeof(why))));
}

static void on_issued(void *arg, const struct jb_issue *issue)
{
	char clean[1024];

	(void)arg;
	told++;
	is_given = issue->credentials != NULL;
	if (is_given) {
		FUZZ_CHECK(strcmp(issue->credentials->secret_access_key, SECRET) == 0 &&
			   issue->credentials->expiration == UNTIL);
		return;
	}
	FUZZ_CHECK(issue->why && *issue->why);
	jit_text_clean_str(clean, sizeof(clean), issue->why);
	FUZZ_CHECK(strcmp(clean, issue->why) == 0 && (knows || !strstr(clean, SECRET)));
}

static json_object *member(json_object *json, const char *name, enum json_type type)
{
	json_object *value;

	FUZZ_CHECK(json_object_object_get_ex(json, name, &value) && json_object_is_type(value, type));
	return value;
}

/* The key that the call names; what it asks is for this request, until then, and of whom it must be asked. */
static EVP_PKEY *check_call(const struct fuzz_call *call, char letter)
{
	JIT_JSON json_object *body = jit_json_of(call->body);
	JIT_JSON json_object *input = NULL;
	EVP_PKEY *key = NULL;

	if (letter == 'f') {
		FUZZ_CHECK(strcmp(call->url, "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/"
					     "AssumeJITRole/invocations") == 0);
		FUZZ_CHECK(strcmp(json_object_get_string(member(body, "step", json_type_string)), "issue") == 0);
		input = json_object_get(body);
	} else {
		FUZZ_CHECK(strcmp(call->url, "https://sync-states.eu-west-1.amazonaws.com/") == 0);
		input = jit_json_of(json_object_get_string(member(body, "input", json_type_string)));
		FUZZ_CHECK(json_object_get_boolean(member(input, "simulateApproval", json_type_boolean)) ==
			   (letter == 'a'));
	}
	FUZZ_CHECK(strcmp(json_object_get_string(member(input, "requestId", json_type_string)), ID) == 0);
	FUZZ_CHECK(json_object_get_int64(member(input, "until", json_type_int)) == UNTIL);
	FUZZ_CHECK(jit_jwk_parse(jit_json_text(member(input, "publicKey", json_type_object), NULL), &key) == 0);
	return key;
}

static char *seal(EVP_PKEY *to, int64_t until)
{
	const struct jb_credentials credentials = {.access_key_id = "ASIAFUZZ",
						   .secret_access_key = SECRET,
						   .session_token = "token",
						   .expiration = until};
	char *sealed;

	FUZZ_CHECK(jb_credentials_seal(&credentials, NULL, to, &sealed) == 0);
	return sealed;
}

/* The answer with what its words stand for. */
static char *fill_in(const char *answer, size_t len, EVP_PKEY *key, size_t *ret_len)
{
	static const char *const words[] = {"SEALED", "LONGER", "OTHERS"};
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_len);

	FUZZ_CHECK(out);
	for (size_t i = 0; i < len; i++) {
		size_t w = 0;

		while (w < 3 && (len - i < 6 || memcmp(answer + i, words[w], 6) != 0))
			w++;
		if (w == 3) {
			fputc(answer[i], out);
			continue;
		}
		char *sealed = seal(w == 2 ? bob() : key, UNTIL + (w == 1));
		fputs(sealed, out);
		free(sealed);
		i += 5;
	}
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

/* As the function, or the workflow, gives them: then they are taken. */
static bool is_whole(const char *answer, char letter)
{
	return strcmp(answer, letter == 'f' ? "2{\"sealedCredentials\":\"SEALED\"}"
					    : "2{\"output\":\"{\\\"sealedCredentials\\\":\\\"SEALED\\\"}\"}") == 0;
}

static void run(const char *answer, size_t len, char letter)
{
	const struct jb_request request = {.id = ID,
					   .status = letter == 'w' ? JB_PENDING : JB_APPROVED,
					   .public_key = letter == 'f' ? (char *)"{}" : NULL,
					   .granted_until = UNTIL};
	const struct jb_role role = {.name = (char *)"admin"};

	told = 0;
	is_given = false;
	knows = strstr(answer, SECRET) != NULL;
	FUZZ_CHECK(jb_issuer_issue(issuer, &request, &role, UNTIL - 600, on_issued, NULL) == 0 && !told);
	EVP_PKEY *key = check_call(fuzz_fetch_first(), letter);
	char *text = fill_in(answer, len, key, &len);
	struct fuzz_input in = {(const uint8_t *)text, len};
	FUZZ_CHECK(fuzz_fetch_answer(&in) && told == 1 && !fuzz_fetch_first());
	if (is_given)
		FUZZ_CHECK(strstr(answer, "SEALED") && (*answer == '2' || *answer == 'd'));
	FUZZ_CHECK(is_given || !is_whole(answer, letter));
	EVP_PKEY_free(key);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (!issuer)
		start();
	char *answer = fuzz_all(data + 1, size - 1);
	run(answer, size - 1, data[0] == 'f' || data[0] == 'a' ? (char)data[0] : 'w');
	free(answer);
	return 0;
}
