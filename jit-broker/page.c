/* See page.h. */
#include "page.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "asset.h"
#include "form.h"
#include "log.h"
#include "pace.h"
#include "text.h"

#define SAID_COOKIE "__Host-jit-said"
#define SAID_FLAGS  "; Path=/; Secure; HttpOnly; SameSite=Lax"

/* Nothing but our own style, script and sign; no frame, no form to elsewhere; a link from here tells nobody whence. */
#define PROTECT                                                                                                        \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "           \
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"                          \
	"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"                 \
	"Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
#define HSTS "Strict-Transport-Security: max-age=31536000\r\n"
#define HTML "Content-Type: text/html; charset=utf-8\r\n"

static const struct page_route {
	const char *method, *path; /* "*" is an id */
	jb_page_handler handle;
	bool open;    /* for anybody */
	bool passive; /* a page that lies open asks, nobody does anything */
} routes[] = {
	{"GET", "/", jb_page_home, .open = false},
	{"GET", "/r/*", jb_page_one, .open = false},
	{"GET", "/history", jb_page_history, .open = false},
	{"GET", "/live", jb_page_live, .passive = true},
	{"POST", "/r/*/approve", jb_page_approve, .open = false},
	{"POST", "/r/*/deny", jb_page_deny, .open = false},
	{"POST", "/r/*/revoke", jb_page_revoke, .open = false},
	{"POST", "/sign-out", jb_page_sign_out, .open = false},
	{"GET", "/sign-in", jb_page_sign_in, .open = true},
	{"GET", "/signed-out", jb_page_signed_out, .open = true},
};

static const struct page_route *find_route(struct jb_ask *ask)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].method, jb_call_method(ask->call)) == 0 &&
		    jb_api_matches(routes[i].path, jb_call_path(ask->call), ask->id, sizeof(ask->id)))
			return &routes[i];
	return NULL;
}

static bool posts(const struct jb_page *page)
{
	return strcmp(jb_call_method(page->ask->call), "POST") == 0;
}

static const char *hsts(const struct jb_page *page)
{
	return page->ask->api->conf->tls && !page->ask->proxied ? HSTS : "";
}

/* A file of ours, which never changes under its name. */
static bool serve_asset(struct jb_ask *ask)
{
	const struct jb_asset *asset =
		strcmp(jb_call_method(ask->call), "GET") == 0 ? jb_asset_find(jb_call_path(ask->call)) : NULL;
	char headers[1024];

	if (!asset)
		return false;
	snprintf(headers, sizeof(headers),
		 "Content-Type: %s\r\nCache-Control: public, max-age=31536000, immutable\r\n" PROTECT, asset->type);
	jb_call_reply(ask->call, 200, headers, asset->text, asset->len);
	return true;
}

/* The sentence that a redirect brought along, for this once. */
static void show_said(struct jb_page *page, struct jb_html *h)
{
	char value[3 * JB_PAGE_TEXT_SIZE], field[sizeof(value) + 2] = "s=", said[JB_PAGE_TEXT_SIZE];

	if (jb_cookie(jb_call_header(page->ask->call, "Cookie"), SAID_COOKIE, value, sizeof(value)) < 0 || !value[0])
		return;
	snprintf(field + 2, sizeof(field) - 2, "%s", value + 1);
	if (jb_form_field(field, "s", said, sizeof(said)) < 0)
		return;
	if (value[0] == '+')
		jb_html(h,
			"<p class=\"said well\" role=\"status\" tabindex=\"-1\" id=\"said\"><strong>Done.</strong> ");
	else
		jb_html(h,
			"<p class=\"said ill\" role=\"alert\" tabindex=\"-1\" id=\"said\"><strong>Not done.</strong> ");
	jb_html_text(h, said);
	jb_html(h, "</p>");
}

void jb_page_csrf(struct jb_page *page, struct jb_html *h)
{
	jb_html(h, "<input type=\"hidden\" name=\"csrf\"");
	jb_html_attr(h, "value", page->session.csrf);
	jb_html(h, ">");
}

static void write_asset(struct jb_html *h, enum jb_asset_name name)
{
	const struct jb_asset *asset = jb_asset(name);

	jb_html_text(h, asset ? asset->path : "/");
}

static void write_head(struct jb_html *h, const char *title)
{
	jb_html(h,
		"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\"><title>");
	jb_html_text(h, title);
	jb_html(h, " · jit-broker</title><link rel=\"icon\" href=\"");
	write_asset(h, JB_ASSET_SIGN);
	jb_html(h, "\"><link rel=\"stylesheet\" href=\"");
	write_asset(h, JB_ASSET_STYLE);
	jb_html(h, "\"><script src=\"");
	write_asset(h, JB_ASSET_SCRIPT);
	jb_html(h, "\" defer></script></head>");
}

static void write_entry(struct jb_html *h, const char *path, const char *name, const char *at)
{
	jb_html(h, "<a href=\"");
	jb_html_text(h, path);
	jb_html(h, "\"");
	if (strcmp(path, at) == 0)
		jb_html(h, " aria-current=\"page\"");
	jb_html(h, ">");
	jb_html_text(h, name);
	jb_html(h, "</a>");
}

static void write_person(struct jb_page *page, struct jb_html *h)
{
	jb_html(h, "<form class=\"person\" method=\"post\" action=\"/sign-out\">");
	jb_page_csrf(page, h);
	jb_html(h, "<span><span class=\"sr\">Signed in as </span>");
	jb_html_foreign(h, page->session.person);
	jb_html(h, "</span><button class=\"quiet\">Sign out</button></form>");
}

void jb_page_begin(struct jb_page *page, struct jb_html *h, const char *title, const char *at)
{
	jb_html_begin(h);
	write_head(h, title);
	jb_html(h, "<body><a class=\"skip\" href=\"#main\">Skip to the content</a><header class=\"top\">"
		   "<a class=\"brand\" href=\"/\"><img alt=\"\" width=\"28\" height=\"28\" src=\"");
	write_asset(h, JB_ASSET_SIGN);
	jb_html(h, "\">jit-broker</a>");
	if (page->session.person[0]) {
		jb_html(h, "<nav aria-label=\"Pages\">");
		write_entry(h, "/", "Waiting", at);
		write_entry(h, "/history", "History", at);
		jb_html(h, "</nav>");
		write_person(page, h);
	}
	jb_html(h, "</header><main id=\"main\" tabindex=\"-1\">");
	show_said(page, h);
}

static void reply_html(struct jb_page *page, int status, const char *more, struct jb_html *h)
{
	char headers[2048];

	snprintf(headers, sizeof(headers), HTML PROTECT "%s%s%s", hsts(page), page->cookie, more);
	if (jb_html_whole(h))
		jb_call_reply(page->ask->call, status, headers, h->draft.text, h->draft.len);
	else
		jb_call_reply(page->ask->call, 503, "Content-Type: text/plain\r\n", "The broker is out of memory.\n",
			      29);
	explicit_bzero(headers, sizeof(headers)); /* a new session's cookie may stand there */
	jb_html_clear(h);
}

void jb_page_end(struct jb_page *page, struct jb_html *h, int status)
{
	const char *cookies = jb_call_header(page->ask->call, "Cookie");
	const bool said = cookies && strstr(cookies, SAID_COOKIE "=");

	jb_html(h, "</main><p id=\"news\" class=\"sr\" role=\"status\" aria-live=\"polite\"></p></body></html>");
	reply_html(page, status, said ? "Set-Cookie: " SAID_COOKIE "=; Max-Age=0" SAID_FLAGS "\r\n" : "", h);
}

/* The way on from a sentence: to where one decides, or to where one signs in, if that can be done at this address. */
static void write_way_on(struct jb_page *page, struct jb_html *h)
{
	if (page->session.person[0])
		jb_html(h, "<p><a href=\"/\">To what waits for you</a></p>");
	else if (page->ask->proxied || page->ask->api->conf->oidc_issuer)
		jb_html(h, "<p><a class=\"button\" href=\"/\">Sign in again</a></p>");
}

void jb_page_sentence(struct jb_page *page, int status, const char *title, const char *sentence)
{
	struct jb_html h;

	jb_page_begin(page, &h, title, "");
	jb_html(&h, "<div class=\"sentence\"><h1>");
	jb_html_text(&h, title);
	jb_html(&h, "</h1><p>");
	jb_html_text(&h, sentence);
	jb_html(&h, "</p>");
	write_way_on(page, &h);
	jb_html(&h, "</div>");
	jb_page_end(page, &h, status);
}

void jb_page_go(struct jb_page *page, const char *path, bool well, const char *said)
{
	char headers[4 * JB_PAGE_TEXT_SIZE], text[JB_PAGE_TEXT_SIZE / 2], encoded[3 * JB_PAGE_TEXT_SIZE / 2] = "";

	jit_text_clean_str(text, sizeof(text), said);
	jb_form_encode(text, encoded, sizeof(encoded));
	snprintf(headers, sizeof(headers), "Location: %s\r\n" PROTECT "%s%s%s%s%s%s", path, hsts(page), page->cookie,
		 *encoded ? "Set-Cookie: " SAID_COOKIE "=" : "", *encoded ? well ? "+" : "-" : "", encoded,
		 *encoded ? "; Max-Age=60" SAID_FLAGS "\r\n" : "");
	jb_call_reply(page->ask->call, 303, headers, "", 0);
	explicit_bzero(headers, sizeof(headers));
}

bool jb_page_field(struct jb_page *page, const char *name, char *buf, size_t size)
{
	size_t len;
	const char *body = jb_call_body(page->ask->call, &len);
	int r = strlen(body) == len ? jb_form_field(body, name, buf, size) : -EINVAL;

	if (r == -ENOENT)
		*buf = '\0';
	if (r == 0 || r == -ENOENT)
		return true;
	jb_page_sentence(page, 400, "That cannot be read",
			 "A field of the form is too long or not text; nothing was changed. Go back and shorten it.");
	return false;
}

void jb_page_fragment(struct jb_call *call, const char *token, int64_t now, struct jb_html *h)
{
	char headers[1536];

	snprintf(headers, sizeof(headers), HTML PROTECT "X-Jit-Seen: %s\r\nX-Jit-Now: %lld\r\n", token, (long long)now);
	if (h && !jb_html_whole(h))
		jb_call_reply(call, 503, "Retry-After: 1\r\n", "", 0);
	else
		jb_call_reply(call, 200, headers, h ? h->draft.text : "", h ? h->draft.len : 0);
	if (h)
		jb_html_clear(h);
}

/* A browser says itself from where a form was sent; one of another site is not ours, whatever cookies came along. */
static bool is_sent_from_here(const struct jb_page *page)
{
	struct jb_call *call = page->ask->call;
	const char *site = jb_call_header(call, "Sec-Fetch-Site"), *origin = jb_call_header(call, "Origin");
	const char *host = jb_call_header(call, "Host");
	const char *scheme = page->ask->api->conf->tls || page->ask->proxied ? "https://" : "http://";

	if (site)
		return strcmp(site, "same-origin") == 0;
	return origin && host && strncmp(origin, scheme, strlen(scheme)) == 0 &&
	       strcmp(origin + strlen(scheme), host) == 0;
}

/* May this form change anything? False: it has been answered. */
static bool is_good_form(struct jb_page *page)
{
	char csrf[JB_HASH_SIZE] = "";
	const bool form = jb_form_is(jb_call_header(page->ask->call, "Content-Type"));

	if (form && !jb_page_field(page, "csrf", csrf, sizeof(csrf)))
		return false;
	if (!form || !is_sent_from_here(page) || !jb_secret_same(csrf, page->session.csrf)) {
		jit_log(LOG_WARNING, "a form in the name of %s that did not come from the page was refused",
			page->session.person);
		jb_page_sentence(
			page, 403, "Nothing was changed",
			"This form did not come from the page that you are signed in at, or is too old. Open the page "
			"anew and decide there.");
		return false;
	}
	if (!jb_pace(page->ask->api->pace, page->session.id, page->ask->now)) {
		jb_page_sentence(page, 429, "Too fast",
				 "That were too many changes in a minute; nothing was changed. Wait a "
				 "minute and try again.");
		return false;
	}
	return true;
}

/* Whom the proxy has signed in, as a person of ours; NULL: nobody, and *ret_name is what it said, "" where nothing. */
static const struct jb_person *proxied_person(struct jb_ask *ask, const char **ret_name)
{
	const char *name = jb_call_header(ask->call, "X-Remote-User");

	*ret_name = name ? name : "";
	return *ret_name[0] ? jb_conf_person_by_remote_user(ask->api->conf, *ret_name) : NULL;
}

/* The session of this call. 0, -ENOENT, -EIO. One that began behind the proxy is good there alone, and vice versa. */
static int know(struct jb_page *page, bool active)
{
	struct jb_ask *ask = page->ask;
	const char *name = NULL;
	const struct jb_person *person = ask->proxied ? proxied_person(ask, &name) : NULL;
	struct jb_session session;
	int r = jb_signin_check(ask->api->store, ask->api->conf, jb_call_header(ask->call, "Cookie"), active, ask->now,
				&session);

	if (r < 0)
		return r;
	if (ask->proxied != (strcmp(session.how, "proxy") == 0) ||
	    (ask->proxied && (!person || strcmp(person->name, session.person) != 0)))
		return -ENOENT;
	page->session = session;
	ask->who = page->session.person;
	return 0;
}

/* Begins a session for whom the proxy has signed in. False: it has been answered. */
static bool begin_proxied(struct jb_page *page)
{
	struct jb_ask *ask = page->ask;
	char sentence[JB_PAGE_TEXT_SIZE];
	const char *name;
	const struct jb_person *person = proxied_person(ask, &name);

	if (!person) {
		snprintf(
			sentence, sizeof(sentence),
			*name ? "The proxy says that you are %.200s, and the broker knows no person by that name. "
				"Whoever runs it "
				"can add a line remote_user to yours."
			      : "The proxy in front of the broker has not said who you are. Whoever runs it has to set "
				"X-Remote-User.%s",
			name);
		jb_page_sentence(page, 403, "Not known here", sentence);
		return false;
	}
	int r = jb_signin_begin(ask->api->store, ask->api->conf, person->name, "proxy", ask->now, page->cookie);
	if (r == 0)
		return true;
	jb_page_sentence(page, r == -EIO ? 503 : 429, "Not signed in",
			 r == -EIO ? "The broker cannot use its store; try again."
				   : "That were too many sign-ins in a minute; wait a minute and try again.");
	return false;
}

/* Nobody is signed in: to where one can, and back afterwards. */
static void send_to_sign_in(struct jb_page *page)
{
	const char *path = jb_call_path(page->ask->call);
	char encoded[256] = "", to[320];

	if (posts(page)) {
		jb_page_sentence(page, 401, "You are signed out", "Nothing was changed. Sign in, and decide then.");
		return;
	}
	if (jb_signin_may_lead_to(path))
		jb_form_encode(path, encoded, sizeof(encoded));
	snprintf(to, sizeof(to), "/sign-in%s%s", *encoded ? "?to=" : "", encoded);
	jb_page_go(page, to, false, "");
}

/* A session that began just now has its forms' token with the next call: this one shows the page by way of it. */
static void serve_stranger(struct jb_page *page, const struct page_route *route)
{
	const char *path = jb_call_path(page->ask->call);

	if (route->passive)
		jb_call_reply(page->ask->call, 401, PROTECT, "", 0);
	else if (!page->ask->proxied || posts(page))
		send_to_sign_in(page);
	else if (begin_proxied(page))
		jb_page_go(page, jb_signin_may_lead_to(path) ? path : "/", true, "");
}

bool jb_page_serve(struct jb_ask *ask)
{
	struct jb_page page = {.ask = ask};
	const struct page_route *route = find_route(ask);

	if (!route)
		return serve_asset(ask);
	ask->who = "";
	int r = route->open ? -ENOENT : know(&page, !route->passive);
	if (r == -EIO)
		jb_page_sentence(&page, 503, "Not now", "The broker cannot read its store; try again.");
	else if (r < 0 && !route->open)
		serve_stranger(&page, route);
	else if (!posts(&page) || is_good_form(&page))
		route->handle(&page);
	OPENSSL_cleanse(&page, sizeof(page));
	return true;
}

void jb_page_news(void *arg, const struct jb_live_page *waited, bool changed)
{
	struct jb_ask ask = {.api = arg, .call = waited->call, .now = jb_api_now(), .proxied = waited->proxied};
	struct jb_page page = {.ask = &ask};

	/* It may have ended while its page lay open. */
	if (know(&page, false) < 0 || strcmp(page.session.person, waited->person) != 0)
		jb_call_reply(waited->call, 401, PROTECT, "", 0);
	else if (changed)
		jb_page_live(&page);
	else
		jb_page_fragment(waited->call, waited->seen, ask.now, NULL);
	OPENSSL_cleanse(&page, sizeof(page));
}
