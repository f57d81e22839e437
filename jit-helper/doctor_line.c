/* See doctor_line.h. It follows Linux-PAM's pam_misc.c. */
#include "doctor_line.h"

#include <string.h>

char *jd_pam_token(char **at)
{
	char *p = *at + strspn(*at, JD_PAM_BLANKS), *start = p, *to = p;

	if (!*p) {
		*at = p;
		return NULL;
	}
	if (*p != '[') {
		p += strcspn(p, JD_PAM_BLANKS);
	} else {
		for (p++; *p && *p != ']'; p++) {
			if (p[0] == '\\' && p[1] == ']')
				p++;
			*to++ = *p;
		}
		if (!*p) { /* never closed */
			*to = '\0';
			*at = p;
			return start;
		}
		*to = '\0';
	}
	*at = *p ? p + 1 : p;
	*p = '\0';
	return start;
}

bool jd_pam_next(struct jd_pam_cursor *c)
{
	const char *end = c->text + c->len;
	size_t used = 0;

	c->broken = false;
	c->line[0] = '\0';
	while (c->at < c->len) {
		const char *start = c->text + c->at, *newline = memchr(start, '\n', c->len - c->at);
		const char *stop = newline ? newline : end, *from = start, *hash;

		c->at = newline ? (size_t)(newline + 1 - c->text) : c->len;
		c->last++;
		while (from < stop && (*from == ' ' || *from == '\t'))
			from++;
		hash = memchr(from, '#', (size_t)(stop - from));
		if (from == stop || hash == from)
			continue;
		if (used == 0) {
			c->from = (size_t)(start - c->text);
			c->first = c->last;
		}
		stop = hash ? hash : stop;
		while (stop > from && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		bool more = !hash && stop > from && stop[-1] == '\\';
		size_t len = (size_t)(stop - from) - (more ? 1 : 0);
		if (used + len + 2 > sizeof(c->line)) {
			c->broken = true;
			return true;
		}
		memcpy(c->line + used, from, len);
		used += len;
		c->line[used] = '\0';
		if (!more)
			return true;
		c->line[used++] = ' ';
		c->line[used] = '\0';
	}
	c->broken = used > 0; /* it promised to go on, and did not: libpam gives up as well */
	return used > 0;
}
