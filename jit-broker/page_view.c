/*
 * The pages that stay true while they lie open: what waits and what is in force,
 * and one request. Each is a view: what is shown, a token of its state, and its
 * HTML; a page that waits gets the HTML anew when the token is another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "draft.h"
#include "page.h"
#include "text.h"

struct list {
	struct jb_request **request;
	size_t count;
};

struct view {
	struct list waiting, approved, active;
	struct jb_request *one;
	struct jb_fault fault;
};

static void list_clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		jb_request_free(list->request[i]);
	free(list->request);
}

static void view_clear(struct view *view)
{
	list_clear(&view->waiting);
	list_clear(&view->approved);
	list_clear(&view->active);
	jb_request_free(view->one);
}

static bool load_list(struct jb_api *api, const char *person, const char *status, int64_t now, struct list *list,
		      struct jb_fault *fault)
{
	return jb_engine_list(api->engine, person, status, now, &list->request, &list->count, fault) == 0;
}

/* What that person sees at "/" or "/r/ID". False: view->fault says why. In any case view_clear comes later. */
static bool view_load(struct jb_api *api, const char *person, const char *path, int64_t now, struct view *view)
{
	*view = (struct view){0};
	if (strncmp(path, "/r/", 3) == 0)
		return jb_engine_view(api->engine, person, path + 3, now, &view->one, &view->fault) == 0;
	return load_list(api, person, "PENDING", now, &view->waiting, &view->fault) &&
	       load_list(api, person, "APPROVED", now, &view->approved, &view->fault) &&
	       load_list(api, person, "ACTIVE", now, &view->active, &view->fault);
}

static void note(struct jit_draft *state, const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		jit_draft_printf(state, "%s %llu,", list->request[i]->id,
				 (unsigned long long)list->request[i]->version);
}

/* Every transition makes a version; a changed configuration may offer other things. */
static bool view_token(const struct jb_api *api, const struct view *view, char token[static JB_LIVE_TOKEN_SIZE])
{
	struct jit_draft state = {0};
	char hash[JB_HASH_SIZE];
	size_t len;

	jit_draft_printf(&state, "%s;", api->conf->hash);
	note(&state, &view->waiting);
	note(&state, &view->approved);
	note(&state, &view->active);
	if (view->one)
		note(&state, &(struct list){(struct jb_request **)&view->one, 1});
	char *text = jit_draft_done(&state, &len);
	const bool ok = text && jb_sha256_hex(text, len, hash) == 0;
	free(text);
	if (ok)
		snprintf(token, JB_LIVE_TOKEN_SIZE, "%.*s", JB_LIVE_TOKEN_SIZE - 1, hash);
	return ok;
}

bool jb_page_look(void *arg, const char *person, const char *path, char token[static JB_LIVE_TOKEN_SIZE])
{
	struct view view;
	const bool ok = view_load(arg, person, path, jb_api_now(), &view) && view_token(arg, &view, token);

	view_clear(&view);
	return ok;
}

static void write_list(struct jb_page *page, struct jb_html *h, const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		jb_page_card(page, h, list->request[i], false);
}

static void write_home(struct jb_page *page, struct jb_html *h, const struct view *view)
{
	const size_t grants = view->approved.count + view->active.count;

	jb_html(h, "<div class=\"head\"><h1>Waiting for you <span class=\"count\">");
	jb_html_number(h, (int64_t)view->waiting.count);
	jb_html(h, "</span></h1><p class=\"live\" id=\"live\" hidden></p></div><section class=\"cards\" "
		   "aria-label=\"Waiting for you\">");
	if (view->waiting.count == 0)
		jb_html(h,
			"<div class=\"empty\"><p><strong>Nothing waits for you.</strong></p><p>A request that you may "
			"decide appears here by itself.</p></div>");
	write_list(page, h, &view->waiting);
	jb_html(h, "</section>");
	if (grants == 0)
		return;
	jb_html(h, "<h2 class=\"part\">In force <span class=\"count\">");
	jb_html_number(h, (int64_t)grants);
	jb_html(h, "</span></h2><section class=\"cards\" aria-label=\"In force\">");
	write_list(page, h, &view->active);
	write_list(page, h, &view->approved);
	jb_html(h, "</section>");
}

/* The part of the document that is replaced when something has changed. */
static void write_view(struct jb_page *page, struct jb_html *h, const struct view *view)
{
	jb_html(h, "<div id=\"view\">");
	if (view->one) {
		jb_html(h, "<div class=\"head\"><p><a href=\"/\">All that waits</a></p>"
			   "<p class=\"live\" id=\"live\" hidden></p></div>");
		jb_page_card(page, h, view->one, true);
	} else {
		write_home(page, h, view);
	}
	jb_html(h, "</div>");
}

static void write_live(struct jb_page *page, struct jb_html *h, const char *path, const char *token)
{
	jb_html(h, "<div id=\"watch\" hidden");
	jb_html_url(h, "data-live", "/live?at=", path, "");
	jb_html_attr(h, "data-seen", token);
	jb_html(h, " data-now=\"");
	jb_html_number(h, page->ask->now);
	jb_html(h, "\"></div><noscript><p class=\"hint\">Without a script this page does not renew itself: "
		   "reload it to see what is new.</p></noscript>");
}

static void show(struct jb_page *page, const char *path, const char *title, const char *at)
{
	char token[JB_LIVE_TOKEN_SIZE];
	struct jb_html h;
	struct view view;

	if (!view_load(page->ask->api, page->session.person, path, page->ask->now, &view)) {
		jb_page_sentence(page, view.fault.http, view.fault.http == 404 ? "No such request" : "Not now",
				 view.fault.http == 404
					 ? "There is no request of that name that you may see: it was never "
					   "filed, is long forgotten, or is for others to decide."
					 : view.fault.message);
		view_clear(&view);
		return;
	}
	jb_page_begin(page, &h, title, at);
	if (view_token(page->ask->api, &view, token))
		write_live(page, &h, path, token);
	write_view(page, &h, &view);
	view_clear(&view);
	jb_page_end(page, &h, 200);
}

void jb_page_home(struct jb_page *page)
{
	show(page, "/", "Waiting", "/");
}

void jb_page_one(struct jb_page *page)
{
	char path[JB_LIVE_PATH_SIZE], title[64];

	snprintf(path, sizeof(path), "/r/%.40s", page->ask->id);
	snprintf(title, sizeof(title), "Request %.40s", page->ask->id);
	show(page, path, title, "");
}

/* What the page asked with. False: it has been answered. */
static bool read_live(struct jb_page *page, struct jb_live_page *ret, int64_t *ret_wait)
{
	struct jb_live_page p = {.call = page->ask->call, .proxied = page->ask->proxied};

	if (jb_call_query(p.call, "at", p.path, sizeof(p.path)) < 0 || !jb_signin_may_lead_to(p.path) ||
	    jb_call_query(p.call, "seen", p.seen, sizeof(p.seen)) < 0 || strcmp(p.path, "/history") == 0) {
		jb_page_sentence(page, 400, "No such page", "The page asked for news of a page that is none.");
		return false;
	}
	snprintf(p.person, sizeof(p.person), "%s", page->session.person);
	*ret = p;
	return jb_api_number(page->ask, "wait", JB_LIVE_WAIT_MAX, ret_wait) == 0;
}

void jb_page_live(struct jb_page *page)
{
	struct jb_api *api = page->ask->api;
	struct jb_live_page asked;
	char token[JB_LIVE_TOKEN_SIZE];
	int64_t wait = 0;
	struct jb_html h;
	struct view view;

	if (!read_live(page, &asked, &wait))
		return;
	const bool known =
		view_load(api, asked.person, asked.path, page->ask->now, &view) && view_token(api, &view, token);
	if (!known) {
		jb_call_reply(asked.call, view.fault.http == 404 ? 404 : 503, "Retry-After: 1\r\n", "", 0);
	} else if (strcmp(token, asked.seen) != 0) {
		jb_html_begin(&h);
		write_view(page, &h, &view);
		jb_page_fragment(asked.call, token, page->ask->now, &h);
	} else if (wait == 0) {
		jb_page_fragment(asked.call, token, page->ask->now, NULL);
	} else if (jb_live_add(api->live, &asked, (unsigned)wait) < 0) {
		jb_call_reply(asked.call, 429, "Retry-After: 5\r\n", "", 0);
	} else {
		jb_call_trust(asked.call);
	}
	view_clear(&view);
}
