/* See form.h. */
#include "form.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "text.h"

/* RFC 6265, cookie-octet: visible ASCII without quotes, comma, semicolon and backslash. */
static bool is_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x21 || text[i] > 0x7e || strchr("\",;\\", text[i]))
			return false;
	return true;
}

int jb_cookie(const char *header, const char *name, char *buf, size_t size)
{
	const size_t name_len = strlen(name);
	const char *found = NULL;
	size_t found_len = 0;

	for (const char *pair = header; pair && *pair;) {
		size_t len = strcspn(pair, ";");

		if (len > name_len && strncmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
			if (found)
				return -EINVAL;
			found = pair + name_len + 1;
			found_len = len - name_len - 1;
		}
		pair += len;
		if (*pair) /* "; " parts them, and nothing else does */
			pair += pair[1] == ' ' ? 2 : 1;
	}
	if (!found)
		return -ENOENT;
	if (found_len >= size || !is_value(found, found_len))
		return -EINVAL;
	memcpy(buf, found, found_len);
	buf[found_len] = '\0';
	return 0;
}

bool jb_form_is(const char *content_type)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const size_t len = sizeof(form) - 1;

	return content_type && strncasecmp(content_type, form, len) == 0 &&
	       (content_type[len] == '\0' || content_type[len] == ';');
}

int jb_form_field(const char *body, const char *name, char *buf, size_t size)
{
	/* A form's body is written as a query is. */
	const struct jb_http_head as_query = {.query = body};
	int r = jb_http_query(&as_query, name, buf, size);

	return r == 0 && !jit_utf8_valid(buf, strlen(buf)) ? -EINVAL : r;
}

bool jb_form_encode(const char *text, char *buf, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";
	size_t at = 0;

	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;

		if (at + 4 > size)
			return false;
		if (strchr(plain, *text)) {
			buf[at++] = *text;
			continue;
		}
		buf[at++] = '%';
		buf[at++] = hex[c >> 4];
		buf[at++] = hex[c & 15];
	}
	if (at >= size)
		return false;
	buf[at] = '\0';
	return true;
}
