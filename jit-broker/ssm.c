/* See ssm.h. */
#include "ssm.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "flat.h"
#include "json.h"
#include "json_read.h"
#include "text.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* Words of these letters with a slash between each two. */
static bool is_words(const char *text)
{
	if (strlen(text) > JB_SSM_NAME_MAX / 2)
		return false;
	for (;;) {
		const size_t len = strspn(text, LETTERS);

		if (len == 0 || (text[len] && text[len] != '/'))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

bool jb_ssm_is_path(const char *text)
{
	return *text == '/' && is_words(text + 1);
}

bool jb_ssm_is_name(const char *text)
{
	return is_words(text);
}

char *jb_ssm_body(const char *name)
{
	char *body;

	return asprintf(&body, "{\"Name\":\"%s\",\"WithDecryption\":true}", name) < 0 ? NULL : body;
}

/* What a secret of ours can have in it: lines of ASCII. -1: anything else. */
static int unescaped(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '"':
	case '\\':
	case '/':
		return c;
	default:
		return -1;
	}
}

/* The string's text, in the secure heap. NULL: it is none, or has what no secret of ours has. */
static char *text_of(struct jit_span value, size_t max)
{
	struct jit_span text;
	size_t used = 0;

	if (!jit_flat_string(value, &text) || text.len == 0 || text.len > 2 * max)
		return NULL;
	char *plain = OPENSSL_secure_zalloc(text.len + 1);
	for (size_t i = 0; plain && i < text.len; i++) {
		const int c = text.at[i] == '\\' ? unescaped(text.at[++i]) : text.at[i];

		if (c <= 0 || c > 0x7e || used == max) {
			OPENSSL_secure_clear_free(plain, text.len + 1);
			return NULL;
		}
		plain[used++] = (char)c;
	}
	return plain;
}

static bool is_passing(const char *type, long status)
{
	static const char *const passing[] = {"ThrottlingException", "RequestLimitExceeded", "InternalServerError",
					      "ServiceUnavailable"};

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (strcmp(type, passing[i]) == 0)
			return true;
	return status >= 500 || status == 429;
}

/* An error names no value: a library may read it. */
static enum jb_ssm_kind refused(long status, const char *body, char *why, size_t why_size)
{
	JIT_JSON json_object *json = jit_json_of(body);
	json_object *type = NULL, *message = NULL;
	const char *word = json_object_object_get_ex(json, "__type", &type) ? json_object_get_string(type) : NULL;
	const char *hash = word ? strrchr(word, '#') : NULL, *name = hash ? hash + 1 : word ? word : "";
	char raw[256];

	if (strcmp(name, "ParameterNotFound") == 0) {
		snprintf(why, why_size, "there is no such parameter");
		return JB_SSM_MISSING;
	}
	if (!json_object_object_get_ex(json, "message", &message))
		json_object_object_get_ex(json, "Message", &message);
	const char *said = message ? json_object_get_string(message) : NULL;
	snprintf(raw, sizeof(raw), "SSM: status %ld%s%s%s%s", status, *name ? ", " : "", name, said ? ": " : "",
		 said ? said : "");
	jit_text_clean_str(why, why_size, raw);
	return is_passing(name, status) ? JB_SSM_PASSING : JB_SSM_REFUSED;
}

enum jb_ssm_kind jb_ssm_read(long status, const char *body, size_t max, char **ret, char *why, size_t why_size)
{
	static const char secure[] = "\"SecureString\"";

	if (status != 200)
		return refused(status, body, why, why_size);
	const struct jit_span answer = {.at = body, .len = strlen(body)};
	struct jit_span parameter, type, value;
	if (!jit_flat_value(answer, "Parameter", &parameter) || !jit_flat_value(parameter, "Type", &type) ||
	    !jit_flat_value(parameter, "Value", &value)) {
		snprintf(why, why_size, "SSM answered with no parameter");
		return JB_SSM_PASSING;
	}
	if (type.len != sizeof(secure) - 1 || memcmp(type.at, secure, type.len) != 0) {
		snprintf(why, why_size, "it is no SecureString");
		return JB_SSM_REFUSED;
	}
	char *text = text_of(value, max);
	if (!text) {
		snprintf(why, why_size, "it is empty, longer than %zu bytes, or has other characters than ASCII's",
			 max);
		return JB_SSM_REFUSED;
	}
	*ret = text;
	return JB_SSM_VALUE;
}
