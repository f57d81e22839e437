/* See ssm.h. */
#include "ssm.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

#define DEPTH	8 /* of arrays and objects in an answer */
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

/* A reader of JSON that copies nothing. Each step moves behind what it read; NULL: it is no such thing. */

static const char *blanks(const char *at)
{
	return at ? at + strspn(at, " \t\r\n") : NULL;
}

static const char *mark(const char *at, char c)
{
	at = blanks(at);
	return at && *at == c ? at + 1 : NULL;
}

/* *ret_text and *ret_len: what is between the quotes, escapes and all. */
static const char *string(const char *at, const char **ret_text, size_t *ret_len)
{
	const char *text = at = mark(at, '"');

	while (at && *at && *at != '"')
		at = at[0] == '\\' && at[1] ? at + 2 : at[0] == '\\' || (unsigned char)*at < ' ' ? NULL : at + 1;
	if (!at || !*at)
		return NULL;
	*ret_text = text;
	*ret_len = (size_t)(at - text);
	return at + 1;
}

/* Over any value. */
static const char *skip(const char *at)
{
	char ends[DEPTH];
	size_t depth = 0, len;
	const char *text;

	do {
		if (!(at = blanks(at)) || !*at)
			return NULL;
		if (*at == '"') {
			at = string(at, &text, &len);
		} else if (*at == '{' || *at == '[') {
			if (depth == DEPTH)
				return NULL;
			ends[depth++] = *at++ == '{' ? '}' : ']';
		} else if (depth && *at == ends[depth - 1]) {
			depth--;
			at++;
		} else if (depth && (*at == ',' || *at == ':')) {
			at++;
		} else {
			len = strspn(at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
			at = len ? at + len : NULL;
		}
	} while (at && depth);
	return at;
}

/* Where the value of that member of the object begins. */
static const char *member(const char *at, const char *name)
{
	const char *text;
	size_t len;

	for (at = mark(at, '{'); at; at = mark(at, ',')) {
		if (!(at = string(at, &text, &len)) || !(at = mark(at, ':')))
			return NULL;
		if (len == strlen(name) && memcmp(text, name, len) == 0)
			return blanks(at);
		at = skip(at);
	}
	return NULL;
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
static char *text_of(const char *at, size_t max)
{
	const char *text;
	size_t len, used = 0;

	if (!string(at, &text, &len) || len == 0 || len > 2 * max)
		return NULL;
	char *plain = OPENSSL_secure_zalloc(len + 1);
	for (size_t i = 0; plain && i < len; i++) {
		const int c = text[i] == '\\' ? unescaped(text[++i]) : text[i];

		if (c <= 0 || c > 0x7e || used == max) {
			OPENSSL_secure_clear_free(plain, len + 1);
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
	JIT_JSON json_object *json = json_tokener_parse(body);
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
	const char *parameter = member(body, "Parameter");
	const char *type = parameter ? member(parameter, "Type") : NULL;
	const char *value = parameter ? member(parameter, "Value") : NULL;
	if (!type || !value) {
		snprintf(why, why_size, "SSM answered with no parameter");
		return JB_SSM_PASSING;
	}
	if (strncmp(type, secure, sizeof(secure) - 1) != 0) {
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
