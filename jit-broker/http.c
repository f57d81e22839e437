/* See http.h. */
#include "http.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "text.h"

/* RFC 9110: what a method and a header's name are made of. */
static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		bool alnum = (*s >= '0' && *s <= '9') || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z');
		if (!alnum && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	}
	return true;
}

/* Visible ASCII: no blank, no control, no byte above 0x7e stands in a request's target. */
static bool is_target(const char *s)
{
	for (; *s; s++)
		if (*s < 0x21 || *s > 0x7e || *s == '#')
			return false;
	return true;
}

static bool is_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

/* The line at *at, NUL-terminated in place of its CRLF; bare CR or LF are part of no line we accept. */
static char *next_line(char **at)
{
	char *line = *at, *end = strstr(line, "\r\n");

	*end = '\0';
	*at = end + 2;
	return line;
}

int jb_http_line(struct jb_http_head *head, const char *method, const char *path, const char *query,
		 const char **ret_why)
{
	*ret_why = "The request line is not HTTP.";
	if (!is_token(method) || *path != '/' || !is_target(path) || !is_target(query))
		return 400;
	if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0) {
		*ret_why = "Only GET and POST are understood here.";
		return 501;
	}
	head->method = method;
	head->path = path;
	head->query = query;
	return 0;
}

static int parse_request_line(char *line, struct jb_http_head *head, const char **ret_why)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;

	*ret_why = "The request line is not HTTP.";
	if (!target || !version)
		return 400;
	*target++ = '\0';
	*version++ = '\0';
	if (strcmp(version, "HTTP/1.1") == 0) {
		head->keep_alive = true;
	} else if (strcmp(version, "HTTP/1.0") != 0) {
		*ret_why = "Only HTTP/1.1 is spoken here.";
		return strncmp(version, "HTTP/", 5) == 0 ? 505 : 400;
	}
	char *query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	return jb_http_line(head, line, target, query ? query : "", ret_why);
}

int jb_http_add(struct jb_http_head *head, const char *name, const char *value, const char **ret_why)
{
	*ret_why = "A header line is not of the form 'Name: value'.";
	if (!is_token(name) || !is_value(value))
		return 400;
	if (head->header_count == JB_HTTP_HEADERS_MAX) {
		*ret_why = "There are too many header lines.";
		return 431;
	}
	head->headers[head->header_count++] = (struct jb_http_header){name, value};
	return 0;
}

static int parse_header_line(char *line, struct jb_http_head *head, const char **ret_why)
{
	char *colon = strchr(line, ':');

	*ret_why = "A header line is not of the form 'Name: value'.";
	if (!colon)
		return 400;
	*colon = '\0';
	char *value = colon + 1 + strspn(colon + 1, " \t");
	size_t len = strlen(value);
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = '\0';
	/* A folded line begins with a blank, which no name does. */
	return jb_http_add(head, line, value, ret_why);
}

static size_t count(const struct jb_http_head *head, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < head->header_count; i++)
		n += strcasecmp(head->headers[i].name, name) == 0;
	return n;
}

const char *jb_http_header(const struct jb_http_head *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (strcasecmp(head->headers[i].name, name) == 0)
			return head->headers[i].value;
	return NULL;
}

int jb_http_check(const struct jb_http_head *head, const char **ret_why)
{
	static const char *const once[] = {"Host",	     "Content-Length", "Transfer-Encoding",
					   "x-api-key",	     "Authorization",  "Idempotency-Key",
					   "Cookie",	     "Content-Type",   "Origin",
					   "Sec-Fetch-Site", "X-Remote-User",  "X-Jit-Grant-Token"};

	*ret_why = "A header that decides stands there twice.";
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (count(head, once[i]) > 1)
			return 400;
	return 0;
}

static int check_body(struct jb_http_head *head, const char **ret_why)
{
	const char *length = jb_http_header(head, "Content-Length");
	const char *expect = jb_http_header(head, "Expect");
	uint64_t n = 0;

	if (jb_http_header(head, "Transfer-Encoding")) {
		*ret_why = length ? "Transfer-Encoding and Content-Length exclude each other."
				  : "Send the body with a Content-Length.";
		return length ? 400 : 411;
	}
	int r = length ? jit_parse_u64(length, JB_HTTP_BODY_MAX, &n) : 0;
	if (r == -ERANGE) {
		*ret_why = "The body is over 64 KiB.";
		return 413;
	}
	if (r < 0) {
		*ret_why = "Content-Length is not a number.";
		return 400;
	}
	head->content_length = (size_t)n;
	head->expects_continue = expect && n && strcasecmp(expect, "100-continue") == 0;
	return 0;
}

static int check_connection(struct jb_http_head *head, const char **ret_why)
{
	const char *connection = jb_http_header(head, "Connection");

	/* HTTP/1.0 may go without (a load balancer's health check does). */
	if (head->keep_alive && !jb_http_header(head, "Host")) {
		*ret_why = "The Host header is missing.";
		return 400;
	}
	if (connection && strcasestr(connection, "close"))
		head->keep_alive = false;
	return 0;
}

int jb_http_parse(char *text, size_t len, struct jb_http_head *head, const char **ret_why)
{
	char *at = text, *last = text + len - 2; /* the empty line */
	int status;

	*head = (struct jb_http_head){0};
	*ret_why = "The head of the request holds a NUL byte.";
	if (memchr(text, '\0', len))
		return 400;
	status = parse_request_line(next_line(&at), head, ret_why);
	while (status == 0 && at < last)
		status = parse_header_line(next_line(&at), head, ret_why);
	if (status == 0)
		status = jb_http_check(head, ret_why);
	if (status == 0)
		status = check_body(head, ret_why);
	if (status == 0)
		status = check_connection(head, ret_why);
	return status;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const char *s, size_t len, char *buf, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		if (c == '%') {
			int high = len - i > 2 ? hex(s[i + 1]) : -1, low = high >= 0 ? hex(s[i + 2]) : -1;
			if (low < 0 || high * 16 + low == 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		if (out + 1 >= size)
			return -EINVAL;
		buf[out++] = c;
	}
	buf[out] = '\0';
	return 0;
}

int jb_http_query_next(const struct jb_http_head *head, const char *name, const char **at, char *buf, size_t size)
{
	size_t name_len = strlen(name);

	for (const char *here = *at ? *at : head->query; *here;) {
		const char *pair = here;
		size_t len = strcspn(pair, "&");

		here += len + (pair[len] == '&');
		if (len > name_len && strncmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
			*at = here;
			return decode(pair + name_len + 1, len - name_len - 1, buf, size);
		}
	}
	return -ENOENT;
}

int jb_http_query(const struct jb_http_head *head, const char *name, char *buf, size_t size)
{
	const char *at = NULL;
	int r = jb_http_query_next(head, name, &at, buf, size);

	if (r == 0) {
		char again[2];

		if (jb_http_query_next(head, name, &at, again, sizeof(again)) != -ENOENT)
			return -EINVAL;
	}
	return r;
}

const char *jb_http_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{200, "OK"},
		{202, "Accepted"},
		{204, "No Content"},
		{303, "See Other"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{411, "Length Required"},
		{413, "Content Too Large"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Error";
}
