/*
 * The page for approvers: HTML made here on the server, usable without a script.
 * This file serves it: which page, whose session, and what every change must carry
 * before anything is decided. Decisions are the engine's.
 */
#ifndef JB_PAGE_H
#define JB_PAGE_H

#include "api.h"
#include "html.h"
#include "live.h"
#include "signin.h"

#define JB_PAGE_TEXT_SIZE 512 /* of a comment, a search, a sentence */

/* One call of a browser. */
struct jb_page {
	struct jb_ask *ask; /* ask->who: the person, where somebody is signed in */
	struct jb_session session;
	char cookie[JB_SIGNIN_HEADER_SIZE]; /* the header line of a session that this call began; "" */
};

typedef void (*jb_page_handler)(struct jb_page *page);

/* Answers the call when its path is one of the page's; false: it is none. */
bool jb_page_serve(struct jb_ask *ask);

/* For jb_live: what that person sees at that path now; and a page that waited. arg is the api. */
bool jb_page_look(void *arg, const char *person, const char *path, char token[static JB_LIVE_TOKEN_SIZE]);
void jb_page_news(void *arg, const struct jb_live_page *page, bool changed);

/* For the handlers. */

/* The head of a document, up to the inside of <main>; `at` is the path of the navigation's entry that it belongs to. */
void jb_page_begin(struct jb_page *page, struct jb_html *h, const char *title, const char *at);
/* Its end, and the answer; takes h over. */
void jb_page_end(struct jb_page *page, struct jb_html *h, int status);
/* A page with one sentence. */
void jb_page_sentence(struct jb_page *page, int status, const char *title, const char *sentence);
/* 303 to a path of ours, where `said` is shown once; `well`: it is what was asked for. */
void jb_page_go(struct jb_page *page, const char *path, bool well, const char *said);
/* A field of the form: "" where it is absent. False: it is wrong, and the call has been answered. */
bool jb_page_field(struct jb_page *page, const char *name, char *buf, size_t size);
/* The hidden field that every form carries. */
void jb_page_csrf(struct jb_page *page, struct jb_html *h);
/* A fragment of a page, or an empty one where nothing has changed; takes h over. NULL: empty. */
void jb_page_fragment(struct jb_call *call, const char *token, int64_t now, struct jb_html *h);

/* page_view.c: the list of what waits, and one request. */
void jb_page_home(struct jb_page *page);
void jb_page_one(struct jb_page *page);
void jb_page_live(struct jb_page *page);
/* page_card.c: one request. `whole`: every fact of it, as on its own page. */
void jb_page_card(struct jb_page *page, struct jb_html *h, const struct jb_request *r, bool whole);
/* "Approved", and the mark that stands beside it. */
void jb_page_state(struct jb_html *h, enum jb_status status);
/* page_decide.c */
void jb_page_approve(struct jb_page *page);
void jb_page_deny(struct jb_page *page);
void jb_page_revoke(struct jb_page *page);
/* page_history.c */
void jb_page_history(struct jb_page *page);
/* page_signin.c */
void jb_page_sign_in(struct jb_page *page);
void jb_page_sign_out(struct jb_page *page);
void jb_page_signed_out(struct jb_page *page);

#endif
