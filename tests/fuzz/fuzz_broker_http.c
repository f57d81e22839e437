/*
 * The head of a request, and what stands in it: queries, cookies, forms, addresses. What is taken has one meaning:
 * nothing twice that decides, no control characters, no NUL.
 */
#include <errno.h>
#include <strings.h>

#include "form.h"
#include "fuzz.h"
#include "http.h"
#include "source.h"
#include "text.h"

static void check_head(const struct jb_http_head *head)
{
	char value[64], again[256];
	unsigned hosts = 0;

	FUZZ_CHECK(head->path[0] == '/' && head->content_length <= JB_HTTP_BODY_MAX);
	FUZZ_CHECK(head->header_count <= JB_HTTP_HEADERS_MAX && *jb_http_phrase(200));
	for (size_t i = 0; i < head->header_count; i++) {
		const struct jb_http_header *h = &head->headers[i];

		FUZZ_CHECK(h->name[0] && !strpbrk(h->name, " \t\r\n:") && !strpbrk(h->value, "\r\n"));
		FUZZ_CHECK(jb_http_header(head, h->name));
		hosts += strcasecmp(h->name, "Host") == 0;
	}
	FUZZ_CHECK(hosts <= 1 && !strpbrk(head->path, " \t\r\n") && !strpbrk(head->query, " \t\r\n"));
	int r = jb_http_query(head, "wait", value, sizeof(value));
	FUZZ_CHECK(r == 0 || r == -ENOENT || r == -EINVAL);
	/* What a value says is what it said encoded. */
	if (r == 0 && jb_form_encode(value, again, sizeof(again))) {
		struct jb_http_head other = {.query = again};
		char query[300], back[64];

		snprintf(query, sizeof(query), "wait=%s", again);
		other.query = query;
		FUZZ_CHECK(jb_http_query(&other, "wait", back, sizeof(back)) == 0 && strcmp(back, value) == 0);
	}
	if (jb_http_header(head, "Cookie"))
		jb_cookie(jb_http_header(head, "Cookie"), "__Host-jit", value, sizeof(value));
	jb_form_is(jb_http_header(head, "Content-Type"));
}

static void read_form(const char *body)
{
	char value[64];
	int r = jb_form_field(body, "comment", value, sizeof(value));

	FUZZ_CHECK(r == 0 || r == -ENOENT || r == -EINVAL);
	FUZZ_CHECK(r != 0 || jit_utf8_valid(value, strlen(value)));
	r = jb_cookie(body, "jit", value, sizeof(value));
	FUZZ_CHECK(r != 0 || !strpbrk(value, "; "));
}

static void read_sources(const char *text)
{
	struct jb_sources sources = {0};
	struct jb_address address, again;
	char why[256] = "", shown[JB_ADDRESS_SIZE];

	if (!jb_sources_add(&sources, text, why, sizeof(why)))
		FUZZ_CHECK(why[0]);
	if (jb_address_parse(text, &address)) {
		jb_address_text(&address, shown);
		FUZZ_CHECK(jb_address_parse(shown, &again) &&
			   memcmp(address.byte, again.byte, sizeof(again.byte)) == 0);
		jb_sources_hold(&sources, &address);
	}
	jb_sources_clear(&sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jb_http_head head;
	const char *why = "";
	char *text = fuzz_all(data, size), *end = memmem(text, size, "\r\n\r\n", 4);

	read_form(text);
	read_sources(text);
	/* As the server cuts it: a block of its own that ends with the empty line. */
	if (end && end + 4 - text <= JB_HTTP_HEAD_MAX) {
		char *copy = fuzz_all(data, (size_t)(end + 4 - text));
		int status = jb_http_parse(copy, (size_t)(end + 4 - text), &head, &why);

		FUZZ_CHECK(status == 0 || (status >= 400 && status <= 505 && *why));
		if (status == 0)
			check_head(&head);
		free(copy);
	}
	free(text);
	return 0;
}
