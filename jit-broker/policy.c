/* See policy.h. Every answer starts as a refusal; each rule is one function in a table, asked in order. */
#include "policy_private.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "issuer.h"
#include "text.h"

struct question {
	const struct jb_conf *conf;
	const struct jb_role *role;
	const struct jb_request *request;
	int64_t now;
	struct jb_decision *decision;
};

/* The names in its sentence may be a stranger's. */
__attribute__((format(printf, 2, 0))) static void explain(struct jb_decision *d, const char *format, va_list args)
{
	char message[sizeof(d->message)];

	vsnprintf(message, sizeof(message), format, args);
	jit_text_clean_str(d->message, sizeof(d->message), message);
}

bool jb_policy_refuse(struct jb_decision *d, const char *code, unsigned line, const char *format, ...)
{
	va_list args;

	*d = (struct jb_decision){.allowed = false, .line = line};
	snprintf(d->code, sizeof(d->code), "%s", code);
	va_start(args, format);
	explain(d, format, args);
	va_end(args);
	return false;
}

void jb_policy_accept(struct jb_decision *d, unsigned line, const char *format, ...)
{
	va_list args;

	*d = (struct jb_decision){.allowed = true, .line = line};
	va_start(args, format);
	explain(d, format, args);
	va_end(args);
}

static unsigned role_line(const struct question *q, enum jb_key key)
{
	return jb_conf_line(&q->role->lines, key);
}

static bool matches_any(const struct jb_words *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (fnmatch(patterns->word[i], name, 0) == 0)
			return true;
	return false;
}

bool jb_policy_may_file_for(const struct jb_conf *conf, const char *filer, const char *host)
{
	const struct jb_host_conf *section = jb_conf_host(conf, filer);

	return strcmp(filer, host) == 0 || (section && matches_any(&section->may_request_for, host));
}

static bool host_rule(const struct question *q)
{
	const struct jb_request *r = q->request;

	if (!matches_any(&q->role->hosts, r->host))
		return jb_policy_refuse(q->decision, "policy.host", role_line(q, JB_KEY_HOSTS),
					"role %s is not for host %s; the broker's operator sets its hosts", r->role,
					r->host);
	if (!r->filed_by || jb_policy_may_file_for(q->conf, r->filed_by, r->host))
		return true;
	const struct jb_host_conf *filer = jb_conf_host(q->conf, r->filed_by);
	return jb_policy_refuse(q->decision, "policy.host",
				filer ? jb_conf_line(&filer->lines, JB_KEY_MAY_REQUEST_FOR) : 0,
				"host %s may not request for host %s; the broker's operator sets may_request_for",
				r->filed_by, r->host);
}

static bool requester_rule(const struct question *q)
{
	const char *requester = q->request->requester;

	if (!jb_conf_lists(q->conf, &q->role->requesters, requester))
		return jb_policy_refuse(q->decision, "policy.requester", role_line(q, JB_KEY_REQUESTERS),
					"%s may not ask for role %s; the broker's operator sets its requesters",
					requester, q->role->name);
	if (q->role->arn && !jb_issuer_accepts_requester(requester))
		return jb_policy_refuse(
			q->decision, "policy.requester", role_line(q, JB_KEY_ARN),
			"AWS cannot take the name %s as a source identity; only letters, digits and _+=,.@- can "
			"hold role %s",
			requester, q->role->name);
	return true;
}

/* Who is behind a shared account is known by who logged in, or not at all. */
static bool shared_rule(const struct question *q)
{
	const struct jb_person *account = jb_conf_person_by_unix(q->conf, q->request->requester);
	const struct jb_person *behind = jb_conf_person_by_unix(q->conf, q->request->login_user);

	if (!account || !account->shared)
		return true;
	if (q->request->filed_by && strcmp(q->request->filed_by, q->request->host) != 0)
		return jb_policy_refuse(
			q->decision, "policy.shared", jb_conf_line(&account->lines, JB_KEY_SHARED),
			"%s is a shared account, and anybody could use on %s what one person asked for elsewhere; "
			"ask under your own name, or on that host",
			q->request->requester, q->request->host);
	if (behind && !behind->shared)
		return true;
	return jb_policy_refuse(
		q->decision, "policy.shared", jb_conf_line(&account->lines, JB_KEY_SHARED),
		"%s is a shared account; log in under your own name first, so that it is known who asks",
		q->request->requester);
}

/* Every word of a blank-separated text in the list? `self` stands for the requester. */
static bool covers(const struct jb_words *list, const char *words, const char *self)
{
	for (const char *w = words ? words : ""; *(w += strspn(w, " ")); w += strcspn(w, " ")) {
		JIT_FREE char *word = strndup(w, strcspn(w, " "));

		if (!word)
			return false;
		if (!jb_words_have(list, word) &&
		    !(self && strcmp(word, self) == 0 && (jb_words_have(list, "self") || jb_words_have(list, "*"))))
			return false;
	}
	return true;
}

static bool service_rule(const struct question *q)
{
	const struct jb_request *r = q->request;

	if ((r->service && !jb_words_have(&q->role->services, r->service)) ||
	    !covers(&q->role->services, r->services, NULL))
		return jb_policy_refuse(q->decision, "policy.service", role_line(q, JB_KEY_SERVICES),
					"role %s is not good for service %s; the broker's operator sets its services",
					r->role, r->service ? r->service : r->services);
	return true;
}

static bool is_login_service(const char *service)
{
	return service && (strcmp(service, "sshd") == 0 || strcmp(service, "login") == 0);
}

static bool gives_target(const struct question *q, const char *target)
{
	const struct jb_words *targets = &q->role->targets;

	return jb_words_have(targets, target) || jb_words_have(targets, "*") ||
	       (strcmp(target, q->request->requester) == 0 && jb_words_have(targets, "self"));
}

static bool target_rule(const struct question *q)
{
	const struct jb_request *r = q->request;
	bool login = is_login_service(r->service);
	const char *target = r->target ? r->target : login ? r->requester : NULL;

	if (login && strcmp(target, r->requester) != 0)
		return jb_policy_refuse(q->decision, "policy.target", 0,
					"with %s the target is the requester, %s, and not %s", r->service, r->requester,
					target);
	if ((target && !gives_target(q, target)) || !covers(&q->role->targets, r->targets, r->requester))
		return jb_policy_refuse(q->decision, "policy.target", role_line(q, JB_KEY_TARGETS),
					"role %s does not let anyone become %s; the broker's operator sets its targets",
					r->role, target ? target : r->targets);
	return true;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool arn_rule(const struct question *q)
{
	if (same(q->request->role_arn, q->role->arn))
		return true;
	return jb_policy_refuse(
		q->decision, "policy.arn", role_line(q, JB_KEY_ARN),
		"roleArn is not the ARN of role %s; leave it out or take the one the broker's operator set",
		q->role->name);
}

static bool unsealed_rule(const struct question *q)
{
	if (q->request->public_key || q->role->unsealed_allowed)
		return true;
	return jb_policy_refuse(q->decision, "policy.unsealed", role_line(q, JB_KEY_UNSEALED),
				"role %s gives credentials only sealed to a publicKey, and the request has none",
				q->role->name);
}

static bool hours_rule(const struct question *q)
{
	const struct jb_hours *hours = &q->role->hours;
	char clock[JB_HOURS_CLOCK_SIZE], windows[200];

	if (hours->count == 0 || jb_hours_open(hours, q->now))
		return true;
	jb_hours_clock(&hours->window[0], q->now, clock);
	jb_hours_text(hours, windows, sizeof(windows));
	return jb_policy_refuse(q->decision, "policy.hours", hours->window[0].line,
				"role %s may be used %s, and it is %s; the broker's operator sets its hours",
				q->role->name, windows, clock);
}

static bool duration_rule(const struct question *q)
{
	if (q->request->duration > 0 && q->request->duration <= (int64_t)q->role->max_duration)
		return true;
	return jb_policy_refuse(q->decision, "policy.duration", role_line(q, JB_KEY_MAX_DURATION),
				"the request is for %lld s, and role %s lasts %u s at most",
				(long long)q->request->duration, q->role->name, q->role->max_duration);
}

static bool reason_rule(const struct question *q)
{
	const char *reason = q->request->reason;

	if (!q->role->reason_required || (reason && reason[strspn(reason, " \t")]))
		return true;
	return jb_policy_refuse(q->decision, "policy.reason", role_line(q, JB_KEY_REASON),
				"role %s wants a reason; say why you need it", q->role->name);
}

static bool ticket_rule(const struct question *q)
{
	regex_t regex;
	bool fits;

	if (!q->role->ticket)
		return true;
	if (regcomp(&regex, q->role->ticket, REG_EXTENDED | REG_NOSUB) != 0)
		return jb_policy_refuse(q->decision, "policy.ticket", role_line(q, JB_KEY_TICKET),
					"the broker cannot judge tickets; tell its operator");
	fits = q->request->ticket && regexec(&regex, q->request->ticket, 0, NULL, 0) == 0;
	regfree(&regex);
	return fits || jb_policy_refuse(q->decision, "policy.ticket", role_line(q, JB_KEY_TICKET),
					"role %s wants a ticket of the form %s", q->role->name, q->role->ticket);
}

/* Does the policy approve by itself what is filed at that instant? Then *ret_line is the line that says so. */
static bool approves_itself(const struct jb_role *role, const struct jb_request *request, int64_t at,
			    unsigned *ret_line)
{
	const struct jb_window *window = NULL;

	*ret_line = jb_conf_line(&role->lines, JB_KEY_AUTO_APPROVE);
	if (role->auto_approve == JB_AUTO_SIMULATED)
		return request->simulate;
	if (role->auto_approve == JB_AUTO_HOURS)
		window = jb_hours_open(&role->auto_hours, at);
	if (window)
		*ret_line = window->line;
	return window != NULL;
}

/*
 * A grant lives only while somebody who approved it may still do so; one that
 * nobody approved, while the role would still approve by itself what it approved
 * then.
 */
static bool approval_rule(const struct question *q)
{
	const struct jb_request *r = q->request;
	unsigned line;

	if (r->status != JB_APPROVED && r->status != JB_ACTIVE)
		return true;
	if (r->approved_by)
		return jb_policy_count_approvals(q->conf, r) > 0 ||
		       jb_policy_refuse(q->decision, "policy.approval", role_line(q, JB_KEY_APPROVERS),
					"nobody who approved this may approve role %s any more; ask anew",
					q->role->name);
	if (approves_itself(q->role, r, r->decided_at, &line))
		return true;
	return jb_policy_refuse(q->decision, "policy.auto_approve", line,
				"role %s is no longer approved without a person", q->role->name);
}

/* All rules let it through: which line did, and who is to approve it? */
static void accept(const struct question *q)
{
	char windows[200];
	unsigned line;

	if (q->request->status != JB_PENDING || !approves_itself(q->role, q->request, q->now, &line)) {
		jb_policy_accept(q->decision, role_line(q, JB_KEY_REQUESTERS), "%s may ask for role %s on %s",
				 q->request->requester, q->role->name, q->request->host);
		return;
	}
	jb_hours_text(&q->role->auto_hours, windows, sizeof(windows));
	if (q->role->auto_approve == JB_AUTO_HOURS)
		jb_policy_accept(q->decision, line, "role %s is approved without a person %s", q->role->name, windows);
	else
		jb_policy_accept(q->decision, line, "role %s is approved without a person where simulateApproval asks",
				 q->role->name);
	q->decision->by_policy = true;
}

static struct jb_decision no_role(const struct jb_request *request)
{
	struct jb_decision d;

	jb_policy_refuse(&d, "policy.role", 0, "there is no role %s; the broker's operator sets the roles",
			 request->role ? request->role : "without a name");
	return d;
}

struct jb_decision jb_policy_allows(const struct jb_conf *conf, const struct jb_request *request, const char *person,
				    int64_t now)
{
	static bool (*const rules[])(const struct question *) = {
		host_rule,  requester_rule, shared_rule,   service_rule,  target_rule, arn_rule,
		hours_rule, unsealed_rule,  duration_rule, approval_rule, reason_rule, ticket_rule,
	};
	struct jb_decision d = {.allowed = false};
	struct jb_decision may = {.allowed = true};
	const struct question q = {conf, jb_conf_role(conf, request->role), request, now, &d};

	if (person)
		may = jb_policy_may_decide(conf, request, person);
	if (!may.allowed)
		return may;
	if (!q.role)
		return no_role(request);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i](&q))
			return d;
	if (person)
		return may;
	accept(&q);
	return d;
}

static int64_t longest(const struct jb_role *role, const struct jb_request *request)
{
	return role && request->duration > (int64_t)role->max_duration ? role->max_duration : request->duration;
}

int64_t jb_policy_ends(const struct jb_conf *conf, const struct jb_request *request, int64_t from)
{
	const struct jb_role *role = jb_conf_role(conf, request->role);
	const int64_t latest = from + longest(role, request);

	return role && role->hours.count ? jb_hours_until(&role->hours, from, latest) : latest;
}

int64_t jb_policy_duration(const struct jb_conf *conf, const struct jb_request *request, int64_t now)
{
	const int64_t most = jb_policy_ends(conf, request, now) - now;

	/* Where they are shut the hours refuse it, in their own words. */
	return most > 0 ? most : longest(jb_conf_role(conf, request->role), request);
}

const struct jb_role *jb_policy_choose(const struct jb_conf *conf, const struct jb_request *request, int64_t now,
				       struct jb_decision *refusal)
{
	static bool (*const rules[])(const struct question *) = {
		host_rule, requester_rule, shared_rule, service_rule, target_rule, hours_rule,
	};
	const size_t count = sizeof(rules) / sizeof(rules[0]);
	bool shut = false;

	for (size_t i = 0; i < conf->role_count; i++) {
		struct jb_decision d = {.allowed = true};
		const struct question q = {conf, &conf->roles[i], request, now, &d};
		size_t passed = 0;

		if (request->role_arn && !same(request->role_arn, q.role->arn))
			continue;
		while (passed < count && rules[passed](&q))
			passed++;
		if (passed == count)
			return q.role;
		if (passed == count - 1 && !shut) { /* all but the hour lets it through */
			*refusal = d;
			shut = true;
		}
	}
	if (!shut)
		jb_policy_refuse(refusal, "policy.role", 0,
				 "no role lets %s ask for %s%s%s on %s; the broker's operator sets the roles",
				 request->requester, request->service ? request->service : "anything",
				 request->target ? " as " : "", request->target ? request->target : "", request->host);
	return NULL;
}
