/*
 * What SSM answers when it is asked for a parameter: what is taken is the SecureString's own text, as another reader of
 * JSON has it, and what a secret of ours can be; a refusal is one clean phrase. The first byte says which status it
 * has; after a '/' a path and a name follow.
 */
#include <openssl/crypto.h>

#include <json-c/json.h>

#include "fuzz.h"
#include "json.h"
#include "ssm.h"
#include "text.h"

#define MAX 64 /* bytes of a value */

/* json-c strictly, of one whole document. NULL: it takes it for none. */
static json_object *other_reader(const char *text, size_t len)
{
	json_tokener *tok = json_tokener_new();

	FUZZ_CHECK(tok);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *json = json_tokener_parse_ex(tok, text, (int)len + 1);
	if (json_tokener_get_error(tok) != json_tokener_success) {
		json_object_put(json);
		json = NULL;
	}
	json_tokener_free(tok);
	return json;
}

static const char *text_of(json_object *json, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* Of a name that stands there twice the two readers take another one each. */
static bool has_twice(const char *text, const char *name)
{
	const char *first = strstr(text, name);

	return first && strstr(first + 1, name);
}

static void check_value(const char *body, size_t len, const char *value)
{
	JIT_JSON json_object *json = other_reader(body, len);
	json_object *parameter;

	FUZZ_CHECK(*value && strlen(value) <= MAX);
	for (const char *at = value; *at; at++)
		FUZZ_CHECK(strchr("\t\r\n", *at) || (*at >= ' ' && *at <= '~'));
	FUZZ_CHECK(strstr(body, "\"SecureString\""));
	if (!json || strstr(body, "\\u") || has_twice(body, "\"Value\"") || has_twice(body, "\"Type\"") ||
	    has_twice(body, "\"Parameter\""))
		return;
	FUZZ_CHECK(json_object_object_get_ex(json, "Parameter", &parameter));
	FUZZ_CHECK(text_of(parameter, "Value") && strcmp(text_of(parameter, "Value"), value) == 0);
	FUZZ_CHECK(text_of(parameter, "Type") && strcmp(text_of(parameter, "Type"), "SecureString") == 0);
}

static void read_answer(char letter, const char *body, size_t len)
{
	const long status = letter == '2' ? 200 : letter == '5' ? 500 : letter == '9' ? 429 : 400;
	char *value = NULL, why[256] = "", clean[256];
	const enum jb_ssm_kind kind = jb_ssm_read(status, body, MAX, &value, why, sizeof(why));
	FUZZ_CHECK((kind == JB_SSM_VALUE) == (value != NULL));
	if (value) {
		FUZZ_CHECK(status == 200);
		check_value(body, len, value);
		OPENSSL_secure_clear_free(value, strlen(value) + 1);
		return;
	}
	jit_text_clean_str(clean, sizeof(clean), why);
	FUZZ_CHECK(*why && strcmp(clean, why) == 0);
	FUZZ_CHECK(kind != JB_SSM_MISSING || strstr(body, "ParameterNotFound"));
}

/* What SSM is asked for is that name and nothing else. */
static void ask(const char *path, const char *name)
{
	char *whole = NULL;

	if (!jb_ssm_is_path(path) || !jb_ssm_is_name(name))
		return;
	FUZZ_CHECK(asprintf(&whole, "%s/%s", path, name) > 0 && strlen(whole) <= JB_SSM_NAME_MAX);
	FUZZ_CHECK(!strstr(whole, "//"));
	char *body = jb_ssm_body(whole);
	FUZZ_CHECK(body);
	JIT_JSON json_object *json = other_reader(body, strlen(body));
	FUZZ_CHECK(json && json_object_object_length(json) == 2 && strcmp(text_of(json, "Name"), whole) == 0);
	free(body);
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const char letter = (char)fuzz_byte(&in);
	size_t len;
	char *body = fuzz_part(&in, &len);

	if (letter == '/') {
		size_t unused;
		char *name = fuzz_part(&in, &unused);
		ask(body, name);
		free(name);
	} else {
		read_answer(letter, body, strlen(body)); /* what common/fetch hands on ends at its NUL */
	}
	free(body);
	return 0;
}
