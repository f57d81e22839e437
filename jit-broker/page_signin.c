/* Signing in, as far as it happens here, and out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "page.h"

/* Who the provider is, as people know it: "login.example" of its address. */
static void write_provider(struct jb_html *h, const char *issuer)
{
	const char *host = strstr(issuer, "://");
	char name[256];

	host = host ? host + 3 : issuer;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, "/"), host);
	jb_html_text(h, name);
}

/* The way to the provider, and back to where somebody wanted to go. A link, not a redirect: whoever has just signed out
 * would be signed in again at once. */
static void offer_provider(struct jb_page *page)
{
	char to[64] = "/";
	struct jb_html h;

	if (jb_call_query(page->ask->call, "to", to, sizeof(to)) < 0 || !jb_signin_may_lead_to(to))
		snprintf(to, sizeof(to), "/");
	jb_page_begin(page, &h, "Sign in", "");
	jb_html(&h,
		"<div class=\"sentence\"><h1>Sign in</h1><p>Your organisation says who you are; the broker keeps no "
		"password.</p><p><a class=\"button\" id=\"provider\"");
	jb_html_url(&h, "href", "/sign-in/oidc?return_to=", to, "");
	jb_html(&h, ">Sign in with ");
	write_provider(&h, page->ask->api->conf->oidc_issuer);
	jb_html(&h, "</a></p></div>");
	jb_page_end(page, &h, 200);
}

/* Behind the proxy whoever is signed in there is signed in here: a page says so where that is not enough. */
void jb_page_sign_in(struct jb_page *page)
{
	if (page->ask->proxied)
		jb_page_go(page, "/", true, "");
	else if (page->ask->api->conf->oidc_issuer)
		offer_provider(page);
	else
		jb_page_sentence(
			page, 200, "Sign in",
			"Nobody can sign in at this address: open the page through the proxy that signs people in, or "
			"decide at a command line with jit-broker approve.");
}

void jb_page_sign_out(struct jb_page *page)
{
	struct jb_ask *ask = page->ask;

	if (jb_signin_end(ask->api->store, page->session.id, page->session.person, ask->now) == -EIO) {
		jb_page_sentence(page, 503, "Not signed out", "The broker cannot use its store; try again.");
		return;
	}
	jb_live_ask_again(ask->api->live, page->session.person);
	snprintf(page->cookie, sizeof(page->cookie), "%s", JB_SIGNIN_FORGET);
	jb_page_go(page, "/signed-out", true, "");
}

void jb_page_signed_out(struct jb_page *page)
{
	jb_page_sentence(page, 200, "You are signed out",
			 page->ask->proxied
				 ? "The proxy in front of the broker may still know you: sign out there too before you "
				   "leave this machine to others."
				 : "This browser holds no session of the broker any more.");
}
