/* See aws_keys.h. */
#include "aws_keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_role.h"
#include "safefile.h"

#define FILE_MAX_BYTES 65536

/* Without the blanks around it; changes the text. */
static char *trim(char *s)
{
	s += strspn(s, " \t\r");
	size_t len = strlen(s);
	while (len && strchr(" \t\r", s[len - 1]))
		s[--len] = '\0';
	return s;
}

/* A key or token is visible ASCII; a colon would split libcurl's ACCESS:SECRET, and none has one. */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s <= 0x20 || *s > 0x7e || *s == ':')
			return false;
	return true;
}

/* False: the value is too long or no such thing. Other keys (region) are passed over. */
static bool take(struct jb_aws_keys *keys, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *buf;
		size_t size;
	} known[] = {
		{"aws_access_key_id", keys->access_key_id, sizeof(keys->access_key_id)},
		{"aws_secret_access_key", keys->secret_access_key, sizeof(keys->secret_access_key)},
		{"aws_session_token", keys->session_token, sizeof(keys->session_token)},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		if (strlen(value) >= known[i].size || !is_plain(value))
			return false;
		snprintf(known[i].buf, known[i].size, "%s", value);
	}
	return true;
}

static bool parse(char *text, struct jb_aws_keys *keys)
{
	bool in_default = false, ok = true;
	char *line;

	while (ok && (line = strsep(&text, "\n"))) {
		line = trim(line);
		char *equals = strchr(line, '=');
		if (*line == '[') {
			in_default = strcmp(line, "[default]") == 0;
		} else if (in_default && *line != '#' && *line != ';' && equals) {
			*equals = '\0';
			ok = take(keys, trim(line), trim(equals + 1));
		}
	}
	return ok && *keys->access_key_id && *keys->secret_access_key;
}

/* Elsewhere whatever has come into the environment is not meant for the broker. */
static int from_environment(struct jb_aws_keys *ret, char *why, size_t why_size)
{
	static const char *const names[][2] = {{"aws_access_key_id", "AWS_ACCESS_KEY_ID"},
					       {"aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"},
					       {"aws_session_token", "AWS_SESSION_TOKEN"}};
	bool ok = getenv("AWS_LAMBDA_RUNTIME_API") != NULL;

	*ret = (struct jb_aws_keys){0};
	if (!ok)
		snprintf(why, why_size, "credentials are taken from the environment in AWS Lambda alone; name a file");
	else
		snprintf(why, why_size, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the environment");
	for (size_t i = 0; ok && i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i][1]);

		ok = !value || take(ret, names[i][0], value);
	}
	if (ok && *ret->access_key_id && *ret->secret_access_key)
		return 0;
	explicit_bzero(ret, sizeof(*ret));
	return -1;
}

static int from_file(const char *path, struct jb_aws_keys *ret, char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = FILE_MAX_BYTES};
	char *text;
	size_t len;

	if (jit_file_read(path, &rule, &text, &len, why, why_size) < 0)
		return -1;
	*ret = (struct jb_aws_keys){0};
	bool ok = parse(text, ret);
	explicit_bzero(text, len);
	free(text);
	if (ok)
		return 0;
	explicit_bzero(ret, sizeof(*ret));
	snprintf(why, why_size, "%s must hold aws_access_key_id and aws_secret_access_key under [default]", path);
	return -1;
}

int jb_aws_keys_read(const char *from, struct jb_aws_keys *ret, char *why, size_t why_size)
{
	if (strcmp(from, JB_AWS_ENVIRONMENT) == 0)
		return from_environment(ret, why, why_size);
	if (jb_aws_role_is_word(from))
		return jb_aws_role_read(from, ret, why, why_size);
	return from_file(from, ret, why, why_size);
}

/* What AWS gives a function, an instance or a container is not there where its configuration is checked. */
bool jb_aws_keys_check(const char *from, char *why, size_t why_size)
{
	struct jb_aws_keys keys;

	if (strcmp(from, JB_AWS_ENVIRONMENT) == 0)
		return true;
	if (jb_aws_role_is_word(from))
		return jb_aws_role_check(from, why, why_size);
	const int r = from_file(from, &keys, why, why_size);
	explicit_bzero(&keys, sizeof(keys));
	return r == 0;
}
