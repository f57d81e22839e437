/* One request as an approver sees it: what is really granted, who asks and why, and what they may do about it. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "page.h"
#include "policy.h"
#include "text.h"

static const struct {
	const char *word, *mark, *look;
} states[] = {
	[JB_PENDING] = {"Waiting", "…", "waiting"}, [JB_APPROVED] = {"Approved", "✓", "good"},
	[JB_ACTIVE] = {"In use", "✓", "good"},	    [JB_DENIED] = {"Denied", "✕", "bad"},
	[JB_EXPIRED] = {"Expired", "–", "over"},    [JB_CANCELLED] = {"Withdrawn", "–", "over"},
	[JB_ENDED] = {"Given back", "–", "over"},   [JB_REVOKED] = {"Revoked", "✕", "bad"},
	[JB_FAILED] = {"Failed", "!", "bad"},
};

void jb_page_state(struct jb_html *h, enum jb_status status)
{
	jb_html(h, "<span class=\"state ");
	jb_html_text(h, states[status].look);
	jb_html(h, "\"><span aria-hidden=\"true\">");
	jb_html_text(h, states[status].mark);
	jb_html(h, "</span> ");
	jb_html_text(h, states[status].word);
	jb_html(h, "</span>");
}

/* A sentence of the program's that begins small, as a heading. */
static void write_capital(struct jb_html *h, const char *text)
{
	char copy[2048];

	snprintf(copy, sizeof(copy), "%s", text);
	if (copy[0] >= 'a' && copy[0] <= 'z')
		copy[0] = (char)(copy[0] - 'a' + 'A');
	jb_html_text(h, copy);
}

static void write_fact(struct jb_html *h, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	jb_html(h, "<div><dt>");
	jb_html_text(h, name);
	jb_html(h, "</dt><dd>");
	jb_html_foreign(h, text);
	jb_html(h, "</dd></div>");
}

static void write_command(struct jb_html *h, const char *text)
{
	if (!text || !*text)
		return;
	jb_html(h, "<div><dt>Asked with</dt><dd><code>");
	jb_html_foreign(h, text);
	jb_html(h, "</code></dd></div>");
}

static void write_instant(struct jb_html *h, const char *name, int64_t at)
{
	if (at <= 0)
		return;
	jb_html(h, "<div><dt>");
	jb_html_text(h, name);
	jb_html(h, "</dt><dd>");
	jb_html_time(h, at);
	jb_html(h, "</dd></div>");
}

/* Who asks: the requester, who logged in, and from where. */
static void write_who(struct jb_html *h, const struct jb_request *r)
{
	jb_html(h, "<div><dt>Who</dt><dd><strong>");
	jb_html_foreign(h, r->requester);
	jb_html(h, "</strong>");
	if (r->login_user && strcmp(r->login_user, r->requester) != 0) {
		jb_html(h, ", logged in as <strong>");
		jb_html_foreign(h, r->login_user);
		jb_html(h, "</strong>");
	}
	if (r->rhost && *r->rhost) {
		jb_html(h, ", from ");
		jb_html_foreign(h, r->rhost);
	}
	if (r->filed_by) {
		jb_html(h, ", filed by host ");
		jb_html_foreign(h, r->filed_by);
	}
	jb_html(h, "</dd></div>");
}

static void write_facts(struct jb_html *h, const struct jb_request *r, bool whole)
{
	jb_html(h, "<dl>");
	write_who(h, r);
	write_command(h, r->command);
	write_fact(h, "Reason", r->reason ? r->reason : "none was given");
	write_fact(h, "Ticket", r->ticket);
	if (whole) {
		write_fact(h, "Person", r->person);
		write_fact(h, "Role", r->role);
		write_fact(h, "Door", r->service);
		write_fact(h, "Target asked for", r->target);
		write_fact(h, "Directory", r->cwd);
		write_fact(h, "Terminal", r->tty);
		write_fact(h, "Session", r->session);
		write_instant(h, "Asked at", r->requested_at);
		write_instant(h, "Decided at", r->decided_at);
		write_instant(h, "In use since", r->started_at);
		write_instant(h, "Granted until", r->granted_until);
		write_instant(h, "Over since", r->ended_at);
	}
	jb_html(h, "</dl>");
}

/* "appr1", "the policy", "its time", "host web-1". */
static void write_by(struct jb_html *h, const char *by)
{
	if (strcmp(by, "timer") == 0)
		jb_html(h, "the clock");
	else if (strcmp(by, "policy") == 0)
		jb_html(h, "the policy");
	else if (strncmp(by, "host:", 5) == 0)
		jb_html(h, "its host");
	else
		jb_html_foreign(h, by);
}

/* By whom it was decided and ended, and what they said. */
static void write_decision(struct jb_html *h, const struct jb_request *r)
{
	if (r->decided_by && r->decided_at) {
		jb_html(h, "<p class=\"decided\">");
		jb_html_text(h, r->status == JB_DENIED ? "Denied by " : "Approved by ");
		write_by(h, r->decided_by);
		jb_html(h, ", ");
		jb_html_time(h, r->decided_at);
		jb_html(h, ".</p>");
	}
	if (r->ended_by && r->status != JB_DENIED) {
		jb_html(h, "<p class=\"decided\">");
		jb_html_text(h, states[r->status].word);
		jb_html(h, " by ");
		write_by(h, r->ended_by);
		jb_html(h, ", ");
		jb_html_time(h, r->ended_at);
		jb_html(h, ".</p>");
	}
	if (r->comment && *r->comment) {
		jb_html(h, "<blockquote>");
		jb_html_foreign(h, r->comment);
		jb_html(h, "</blockquote>");
	}
	if (r->failure && *r->failure) {
		jb_html(h, "<p class=\"hint\">");
		jb_html_foreign(h, r->failure);
		jb_html(h, "</p>");
	}
}

static void write_quorum(struct jb_page *page, struct jb_html *h, const struct jb_request *r)
{
	const unsigned have = jb_policy_count_approvals(page->ask->api->conf, r);

	if (r->approvals_needed < 2)
		return;
	jb_html(h, "<p class=\"quorum\"><strong>");
	jb_html_number(h, have);
	jb_html(h, " of ");
	jb_html_number(h, r->approvals_needed);
	jb_html(h, " approvals</strong>");
	if (r->approved_by) {
		jb_html(h, ", by ");
		jb_html_foreign(h, r->approved_by);
	}
	jb_html(h, "</p>");
}

/* Label and input of one field; one page holds many forms, so the id has the request's. */
#define OPEN_FIELD(h, kind, name, label, id)                                                                           \
	do {                                                                                                           \
		jb_html(h, "<div class=\"field " kind "\"><label for=\"" name "-");                                    \
		jb_html_text(h, id);                                                                                   \
		jb_html(h, "\">" label "</label><input name=\"" name "\" id=\"" name "-");                             \
		jb_html_text(h, id);                                                                                   \
		jb_html(h, "\"");                                                                                      \
	} while (0)

static void write_tries(struct jb_html *h, const struct jb_request *r)
{
	const int64_t left = JB_WRONG_CODES_MAX - r->wrong_codes;

	if (r->wrong_codes == 0)
		return;
	jb_html(h, "<p class=\"tries\"><strong>");
	jb_html_number(h, left);
	jb_html_text(h, left == 1 ? " try" : " tries");
	jb_html(h, " left</strong> for the code; then the request is denied.</p>");
}

static void write_code(struct jb_html *h, const struct jb_request *r)
{
	OPEN_FIELD(h, "code", "code", "Code on their terminal", r->short_id);
	jb_html(h, " type=\"text\" inputmode=\"numeric\" pattern=\"[0-9]{2}\" maxlength=\"2\" size=\"4\" "
		   "autocomplete=\"off\" required title=\"the two digits that the requester reads to you\"></div>");
}

static void open_form(struct jb_page *page, struct jb_html *h, const struct jb_request *r, const char *verb, bool whole)
{
	jb_html(h, "<form method=\"post\" class=\"decide\" action=\"/r/");
	jb_html_text(h, r->short_id);
	jb_html(h, "/");
	jb_html_text(h, verb);
	jb_html(h, "\">");
	jb_page_csrf(page, h);
	jb_html(h, "<input type=\"hidden\" name=\"back\" value=\"");
	jb_html_text(h, whole ? "one" : "list");
	jb_html(h, "\">");
}

/* A button says what for in full to whoever only hears it. Its id keeps the focus on it when the card is renewed. */
static void close_button(struct jb_html *h, const char *word, const struct jb_request *r)
{
	jb_html(h, " id=\"");
	jb_html_text(h, word);
	jb_html(h, "-");
	jb_html_text(h, r->short_id);
	jb_html(h, "\">");
	jb_html_text(h, word);
	jb_html(h, "<span class=\"sr\"> request ");
	jb_html_text(h, r->short_id);
	jb_html(h, "</span></button>");
}

static void write_comment(struct jb_html *h, const struct jb_request *r, bool only_no)
{
	if (only_no)
		OPEN_FIELD(h, "comment", "comment", "Why (they read it)", r->short_id);
	else
		OPEN_FIELD(h, "comment", "comment", "Comment (they read it)", r->short_id);
	jb_html(h, " type=\"text\" maxlength=\"200\" autocomplete=\"off\"></div>");
}

static void write_pending(struct jb_page *page, struct jb_html *h, const struct jb_request *r, bool whole)
{
	const struct jb_conf *conf = page->ask->api->conf;
	const struct jb_decision decide = jb_policy_may_decide(conf, r, page->session.person);
	const struct jb_decision allows = jb_policy_allows(conf, r, page->session.person, page->ask->now);
	const bool has = jb_request_approved_by(r, page->session.person);
	const bool may_approve = decide.allowed && allows.allowed && !has;

	if (has)
		jb_html(h, "<p class=\"hint\">You have approved it; another approver has to as well.</p>");
	if (!decide.allowed || !allows.allowed) {
		jb_html(h, "<p class=\"hint\">");
		write_capital(h, decide.allowed ? allows.message : decide.message);
		jb_html(h, ".</p>");
	}
	if (!decide.allowed)
		return;
	if (may_approve && r->code[0])
		write_tries(h, r);
	open_form(page, h, r, may_approve ? "approve" : "deny", whole);
	if (may_approve && r->code[0])
		write_code(h, r);
	write_comment(h, r, !may_approve);
	jb_html(h, "<div class=\"buttons\">");
	if (may_approve) {
		jb_html(h, "<button class=\"yes\"");
		close_button(h, "Approve", r);
		jb_html(h, "<button class=\"no\" formnovalidate formaction=\"/r/");
		jb_html_text(h, r->short_id);
		jb_html(h, "/deny\"");
	} else {
		jb_html(h, "<button class=\"no\"");
	}
	close_button(h, "Deny", r);
	jb_html(h, "</div></form>");
}

static void write_revoke(struct jb_page *page, struct jb_html *h, const struct jb_request *r, bool whole)
{
	if (!jb_policy_may_revoke(page->ask->api->conf, r, page->session.person).allowed)
		return;
	open_form(page, h, r, "revoke", whole);
	write_comment(h, r, true);
	jb_html(h, "<div class=\"buttons\"><button class=\"no\"");
	close_button(h, "Revoke", r);
	jb_html(h, "</div></form>");
}

static void write_clock(struct jb_html *h, const struct jb_request *r, int64_t now)
{
	const int64_t until = r->status == JB_PENDING	 ? r->pending_until
			      : r->status == JB_APPROVED ? r->use_until
			      : r->status == JB_ACTIVE	 ? r->granted_until
							 : 0;

	if (!until)
		return;
	jb_html(h, "<span class=\"clock\">");
	jb_html_left(h, until, now);
	jb_html_text(h, r->status == JB_PENDING ? " to decide" : r->status == JB_APPROVED ? " to be used" : " left");
	jb_html(h, "</span>");
}

static void write_top(struct jb_page *page, struct jb_html *h, const struct jb_request *r, bool whole)
{
	char grants[2048];

	jb_request_grants(r, grants, sizeof(grants));
	jb_html(h, "<div class=\"meta\">");
	jb_page_state(h, r->status);
	if (whole) {
		jb_html(h, "<span class=\"id\">");
		jb_html_text(h, r->short_id);
		jb_html(h, "</span>");
	} else {
		jb_html(h, "<a class=\"id\" id=\"link-");
		jb_html_text(h, r->short_id);
		jb_html(h, "\"");
		jb_html_url(h, "href", "/r/", r->short_id, "");
		jb_html(h, ">");
		jb_html_text(h, r->short_id);
		jb_html(h, "</a>");
	}
	write_clock(h, r, page->ask->now);
	jb_html(h, "</div>");
	if (whole)
		jb_html(h, "<h1 class=\"grants\"");
	else
		jb_html(h, "<h2 class=\"grants\"");
	jb_html(h, " id=\"grants-");
	jb_html_text(h, r->short_id);
	jb_html(h, "\">");
	write_capital(h, grants);
	if (whole)
		jb_html(h, "</h1>");
	else
		jb_html(h, "</h2>");
}

void jb_page_card(struct jb_page *page, struct jb_html *h, const struct jb_request *r, bool whole)
{
	jb_html(h, "<article class=\"card");
	if (whole)
		jb_html(h, " whole");
	jb_html(h, "\"");
	jb_html_attr(h, "data-key", r->short_id);
	jb_html(h, " data-version=\"");
	jb_html_number(h, (int64_t)r->version);
	jb_html(h, "\"");
	jb_html_attr(h, "data-status", jb_status_name(r->status));
	jb_html(h, " aria-labelledby=\"grants-");
	jb_html_text(h, r->short_id);
	jb_html(h, "\">");
	write_top(page, h, r, whole);
	write_facts(h, r, whole);
	if (r->status == JB_PENDING)
		write_quorum(page, h, r);
	else
		write_decision(h, r);
	if (r->status == JB_PENDING)
		write_pending(page, h, r, whole);
	else if (r->status == JB_APPROVED || r->status == JB_ACTIVE)
		write_revoke(page, h, r, whole);
	jb_html(h, "</article>");
}
