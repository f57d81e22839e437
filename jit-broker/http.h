/*
 * The head of one HTTP/1.1 request (RFC 9112), read strictly: what two programs
 * could understand differently is refused, not repaired. No I/O.
 *
 * libevent's evhttp is not used: in 2.1 it has no place, before a request's body
 * has come, in which to cap connections, give a slow client a deadline or answer
 * in JSON, and it does not notice a peer that leaves while an answer is pending.
 */
#ifndef JB_HTTP_H
#define JB_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define JB_HTTP_HEAD_MAX    16384 /* bytes: request line and header lines */
#define JB_HTTP_BODY_MAX    65536 /* bytes */
#define JB_HTTP_HEADERS_MAX 64	  /* lines */

struct jb_http_header {
	const char *name, *value;
};

/* Everything points into the text that was parsed. */
struct jb_http_head {
	const char *method;
	const char *path;  /* as sent, from "/" to before "?" */
	const char *query; /* after "?"; "" when none */
	bool keep_alive;
	bool expects_continue; /* waits for "100 Continue" before it sends the body */
	size_t content_length;
	struct jb_http_header headers[JB_HTTP_HEADERS_MAX];
	size_t header_count;
};

/*
 * Cuts text[0..len), which ends with the empty line, into a head; the text is
 * changed. 0, or the HTTP status to refuse it with, with a sentence in *ret_why:
 * 400, 411 (a body without Content-Length), 413, 431, 501 (a method that is not
 * known), 505.
 */
int jb_http_parse(char *text, size_t len, struct jb_http_head *head, const char **ret_why);

/*
 * The same for a request that came in pieces, not as text: its line first, then
 * each header, then whether they go together. 0, or a status with a sentence as
 * above. content_length is whoever brings the body's to set.
 */
int jb_http_line(struct jb_http_head *head, const char *method, const char *path, const char *query,
		 const char **ret_why);
int jb_http_add(struct jb_http_head *head, const char *name, const char *value, const char **ret_why);
int jb_http_check(const struct jb_http_head *head, const char **ret_why);

/* The value of a header, whatever the case of its name; NULL when absent. Headers that decide come at most once. */
const char *jb_http_header(const struct jb_http_head *head, const char *name);

/*
 * The decoded value of a query parameter ("wait" in "after=3&wait=25"). 0;
 * -ENOENT when absent; -EINVAL: there twice, wrongly encoded, or longer than size - 1.
 */
int jb_http_query(const struct jb_http_head *head, const char *name, char *buf, size_t size);

/*
 * The same for one that may be there several times: the next value after *at,
 * which is NULL at first. -ENOENT: there are no more.
 */
int jb_http_query_next(const struct jb_http_head *head, const char *name, const char **at, char *buf, size_t size);

/* "OK", "Forbidden": the phrase that goes with a status of ours. */
const char *jb_http_phrase(int status);

#endif
