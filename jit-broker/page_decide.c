/* What a form decides, and where its sender is sent then: a page that was posted to is never shown itself. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "page.h"
#include "text.h"

#define CODE_SIZE 9

struct decision {
	char code[CODE_SIZE], comment[JB_PAGE_TEXT_SIZE], back[8];
};

static bool read_decision(struct jb_page *page, struct decision *ret)
{
	return jb_page_field(page, "code", ret->code, sizeof(ret->code)) &&
	       jb_page_field(page, "comment", ret->comment, sizeof(ret->comment)) &&
	       jb_page_field(page, "back", ret->back, sizeof(ret->back));
}

/* To the list, or to the request's own page; a request that is none has neither. */
static void go_back(struct jb_page *page, const struct decision *said, bool well, const char *sentence)
{
	char path[64] = "/", id[37];
	bool is_short;

	if (strcmp(said->back, "one") == 0 && jb_request_parse_id(page->ask->id, id, &is_short))
		snprintf(path, sizeof(path), "/r/%.40s", page->ask->id);
	jb_page_go(page, path, well, sentence);
}

static void refuse(struct jb_page *page, const struct decision *said, const struct jb_fault *fault)
{
	char sentence[sizeof(fault->message) + 2];

	snprintf(sentence, sizeof(sentence), "%s.", fault->message);
	if (sentence[0] >= 'a' && sentence[0] <= 'z')
		sentence[0] = (char)(sentence[0] - 'a' + 'A');
	go_back(page, said, false, sentence);
}

/* What the engine does with a request, and how that is said. 0 and the request, or -1 with the fault. */
struct verb {
	int (*decide)(struct jb_ask *ask, const struct decision *said, struct jb_request **ret, struct jb_fault *fault);
	void (*say)(const struct jb_request *r, int64_t now, char *buf, size_t size);
};

static void decide(struct jb_page *page, const struct verb *verb)
{
	struct jb_ask *ask = page->ask;
	struct jb_request *r = NULL;
	struct decision said;
	struct jb_fault fault;
	char sentence[JB_PAGE_TEXT_SIZE];

	if (!read_decision(page, &said))
		return;
	const int went = verb->decide(ask, &said, &r, &fault);
	jb_waiters_answer(ask->api->waiters); /* somebody sits at a terminal */
	if (went < 0) {
		refuse(page, &said, &fault);
		return;
	}
	verb->say(r, ask->now, sentence, sizeof(sentence));
	jb_request_free(r);
	go_back(page, &said, true, sentence);
}

static int approve(struct jb_ask *ask, const struct decision *said, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_approve(ask->api->engine, ask->who, ask->id, said->code, said->comment, ask->now, ret, fault);
}

static void say_approved(const struct jb_request *r, int64_t now, char *buf, size_t size)
{
	(void)now;
	if (r->status == JB_PENDING)
		snprintf(buf, size, "You approved request %s of %.80s; it wants another approver too.", r->short_id,
			 r->requester);
	else
		snprintf(buf, size, "Request %s of %.80s is approved.", r->short_id, r->requester);
}

static int deny(struct jb_ask *ask, const struct decision *said, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_deny(ask->api->engine, ask->who, ask->id, said->comment, ask->now, ret, fault);
}

static void say_denied(const struct jb_request *r, int64_t now, char *buf, size_t size)
{
	(void)now;
	snprintf(buf, size, "Request %s of %.80s is denied.", r->short_id, r->requester);
}

static int revoke(struct jb_ask *ask, const struct decision *said, struct jb_request **ret, struct jb_fault *fault)
{
	return jb_engine_revoke(ask->api->engine, ask->who, ask->id, said->comment, ask->now, ret, fault);
}

void jb_page_approve(struct jb_page *page)
{
	decide(page, &(const struct verb){approve, say_approved});
}

void jb_page_deny(struct jb_page *page)
{
	decide(page, &(const struct verb){deny, say_denied});
}

void jb_page_revoke(struct jb_page *page)
{
	decide(page, &(const struct verb){revoke, jb_api_say_revoked});
}
