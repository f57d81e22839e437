/* Looking back: every request that this person may see, searched, filtered and page by page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "page.h"
#include "text.h"

#define ROWS 25

struct asked {
	char text[128], status[16];
	struct jb_place place;
};

/* "1795363200.0b6c…": where the rows before ended. */
static bool read_place(struct jb_call *call, struct jb_place *ret)
{
	char text[64], id[37];
	uint64_t at;
	bool is_short;
	int r = jb_call_query(call, "before", text, sizeof(text));
	char *dot = r == 0 ? strchr(text, '.') : NULL;

	if (r == -ENOENT)
		return true;
	if (!dot)
		return false;
	*dot = '\0';
	if (jit_parse_u64(text, INT64_MAX, &at) < 0 || at == 0 || !jb_request_parse_id(dot + 1, id, &is_short) ||
	    is_short)
		return false;
	ret->at = (int64_t)at;
	memcpy(ret->id, id, sizeof(ret->id));
	return true;
}

static bool read_text(struct jb_call *call, const char *name, char *buf, size_t size)
{
	int r = jb_call_query(call, name, buf, size);

	if (r == -ENOENT)
		*buf = '\0';
	return r == -ENOENT || (r == 0 && jit_utf8_valid(buf, strlen(buf)));
}

static void write_option(struct jb_html *h, const char *value, const char *word, const char *chosen)
{
	jb_html(h, "<option");
	jb_html_attr(h, "value", value);
	if (strcmp(value, chosen) == 0)
		jb_html(h, " selected");
	jb_html(h, ">");
	jb_html_text(h, word);
	jb_html(h, "</option>");
}

static void write_search(struct jb_html *h, const struct asked *asked)
{
	static const char *const options[][2] = {
		{"", "every state"},	    {"PENDING", "waiting"}, {"APPROVED", "approved"}, {"ACTIVE", "in use"},
		{"DENIED", "denied"},	    {"REVOKED", "revoked"}, {"ENDED", "given back"},  {"EXPIRED", "expired"},
		{"CANCELLED", "withdrawn"}, {"FAILED", "failed"},
	};

	jb_html(h, "<form class=\"search\" role=\"search\" method=\"get\" action=\"/history\"><div class=\"field\">"
		   "<label for=\"q\">Search</label><input type=\"search\" id=\"q\" name=\"q\" maxlength=\"100\" "
		   "placeholder=\"name, host, command, reason, ticket\"");
	jb_html_attr(h, "value", asked->text);
	jb_html(h, "></div><div class=\"field\"><label for=\"status\">State</label><select id=\"status\" "
		   "name=\"status\">");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		write_option(h, options[i][0], options[i][1], asked->status);
	jb_html(h, "</select></div><button>Search</button></form>");
}

static void write_cell(struct jb_html *h, const char *name, const char *text)
{
	jb_html(h, "<td");
	jb_html_attr(h, "data-name", name);
	jb_html(h, ">");
	jb_html_foreign(h, text ? text : "");
	jb_html(h, "</td>");
}

static void write_row(struct jb_html *h, const struct jb_request *r)
{
	jb_html(h, "<tr><th scope=\"row\"><a class=\"id\"");
	jb_html_url(h, "href", "/r/", r->short_id, "");
	jb_html(h, ">");
	jb_html_text(h, r->short_id);
	jb_html(h, "</a></th><td data-name=\"Asked\">");
	jb_html_time(h, r->requested_at);
	jb_html(h, "</td><td data-name=\"State\">");
	jb_page_state(h, r->status);
	jb_html(h, "</td>");
	write_cell(h, "Who", r->requester);
	write_cell(h, "Role", r->role);
	write_cell(h, "Host", r->host);
	write_cell(h, "Reason", r->reason);
	write_cell(h, "Decided by", r->decided_by);
	jb_html(h, "</tr>");
}

static void write_older(struct jb_html *h, const struct asked *asked)
{
	char before[64], text[3 * sizeof(asked->text) + 1] = "", query[sizeof(text) + 128];

	if (!asked->place.at)
		return;
	snprintf(before, sizeof(before), "%lld.%s", (long long)asked->place.at, asked->place.id);
	jb_form_encode(asked->text, text, sizeof(text));
	snprintf(query, sizeof(query), "/history?q=%s&status=%s&before=%s", text, asked->status, before);
	jb_html(h, "<p class=\"older\"><a rel=\"next\"");
	jb_html_attr(h, "href", query);
	jb_html(h, ">Older ones</a></p>");
}

static void write_rows(struct jb_html *h, struct jb_request **requests, size_t count)
{
	if (count == 0) {
		jb_html(h, "<div class=\"empty\"><p><strong>Nothing here.</strong></p>"
			   "<p>No request that you may see fits.</p></div>");
		return;
	}
	jb_html(h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Requests\"><table><thead><tr>"
		   "<th scope=\"col\">Request</th><th scope=\"col\">Asked</th><th scope=\"col\">State</th>"
		   "<th scope=\"col\">Who</th><th scope=\"col\">Role</th><th scope=\"col\">Host</th>"
		   "<th scope=\"col\">Reason</th><th scope=\"col\">Decided by</th></tr></thead><tbody>");
	for (size_t i = 0; i < count; i++)
		write_row(h, requests[i]);
	jb_html(h, "</tbody></table></div>");
}

void jb_page_history(struct jb_page *page)
{
	struct jb_ask *ask = page->ask;
	struct asked asked = {.place = {0}};
	struct jb_request **requests;
	struct jb_fault fault;
	struct jb_html h;
	size_t count;

	if (!read_text(ask->call, "q", asked.text, sizeof(asked.text)) ||
	    !read_text(ask->call, "status", asked.status, sizeof(asked.status)) ||
	    !read_place(ask->call, &asked.place)) {
		jb_page_sentence(page, 400, "That cannot be searched for", "Search for something shorter.");
		return;
	}
	if (jb_engine_search(ask->api->engine, ask->who, *asked.status ? asked.status : NULL,
			     *asked.text ? asked.text : NULL, ROWS, &asked.place, &requests, &count, &fault) < 0) {
		jb_page_sentence(page, fault.http, "Not found", fault.message);
		return;
	}
	jb_page_begin(page, &h, "History", "/history");
	jb_html(&h, "<h1>History</h1>");
	write_search(&h, &asked);
	write_rows(&h, requests, count);
	write_older(&h, &asked);
	for (size_t i = 0; i < count; i++)
		jb_request_free(requests[i]);
	free(requests);
	jb_page_end(page, &h, 200);
}
