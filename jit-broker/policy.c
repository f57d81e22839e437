/* See policy.h. Every answer starts as a refusal; each rule is one function in a table, asked in order. */
#include "policy.h"

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
	struct jb_decision *decision;
};

/* Fills the refusal; the names in its sentence may be a stranger's. */
__attribute__((format(printf, 4, 5))) static bool refuse(struct jb_decision *d, const char *code, unsigned line,
							 const char *format, ...)
{
	char message[sizeof(d->message)];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	jit_text_clean_str(d->message, sizeof(d->message), message);
	snprintf(d->code, sizeof(d->code), "%s", code);
	d->line = line;
	d->allowed = false;
	return false;
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
		return refuse(q->decision, "policy.host", role_line(q, JB_KEY_HOSTS),
			      "role %s is not for host %s; the broker's operator sets its hosts", r->role, r->host);
	if (!r->filed_by || jb_policy_may_file_for(q->conf, r->filed_by, r->host))
		return true;
	const struct jb_host_conf *filer = jb_conf_host(q->conf, r->filed_by);
	return refuse(q->decision, "policy.host", filer ? jb_conf_line(&filer->lines, JB_KEY_MAY_REQUEST_FOR) : 0,
		      "host %s may not request for host %s; the broker's operator sets may_request_for", r->filed_by,
		      r->host);
}

static bool requester_rule(const struct question *q)
{
	const char *requester = q->request->requester;

	if (!jb_conf_lists(q->conf, &q->role->requesters, requester))
		return refuse(q->decision, "policy.requester", role_line(q, JB_KEY_REQUESTERS),
			      "%s may not ask for role %s; the broker's operator sets its requesters", requester,
			      q->role->name);
	if (q->role->arn && !jb_issuer_accepts_requester(requester))
		return refuse(q->decision, "policy.requester", role_line(q, JB_KEY_ARN),
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
		return refuse(
			q->decision, "policy.shared", jb_conf_line(&account->lines, JB_KEY_SHARED),
			"%s is a shared account, and anybody could use on %s what one person asked for elsewhere; "
			"ask under your own name, or on that host",
			q->request->requester, q->request->host);
	if (behind && !behind->shared)
		return true;
	return refuse(q->decision, "policy.shared", jb_conf_line(&account->lines, JB_KEY_SHARED),
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
		return refuse(q->decision, "policy.service", role_line(q, JB_KEY_SERVICES),
			      "role %s is not good for service %s; the broker's operator sets its services", r->role,
			      r->service ? r->service : r->services);
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
		return refuse(q->decision, "policy.target", 0, "with %s the target is the requester, %s, and not %s",
			      r->service, r->requester, target);
	if ((target && !gives_target(q, target)) || !covers(&q->role->targets, r->targets, r->requester))
		return refuse(q->decision, "policy.target", role_line(q, JB_KEY_TARGETS),
			      "role %s does not let anyone become %s; the broker's operator sets its targets", r->role,
			      target ? target : r->targets);
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
	return refuse(q->decision, "policy.arn", role_line(q, JB_KEY_ARN),
		      "roleArn is not the ARN of role %s; leave it out or take the one the broker's operator set",
		      q->role->name);
}

static bool unsealed_rule(const struct question *q)
{
	if (q->request->public_key || q->role->unsealed_allowed)
		return true;
	return refuse(q->decision, "policy.unsealed", role_line(q, JB_KEY_UNSEALED),
		      "role %s gives credentials only sealed to a publicKey, and the request has none", q->role->name);
}

static bool duration_rule(const struct question *q)
{
	if (q->request->duration > 0 && q->request->duration <= (int64_t)q->role->max_duration)
		return true;
	return refuse(q->decision, "policy.duration", role_line(q, JB_KEY_MAX_DURATION),
		      "the request is for %lld s, and role %s lasts %u s at most", (long long)q->request->duration,
		      q->role->name, q->role->max_duration);
}

static bool reason_rule(const struct question *q)
{
	const char *reason = q->request->reason;

	if (!q->role->reason_required || (reason && reason[strspn(reason, " \t")]))
		return true;
	return refuse(q->decision, "policy.reason", role_line(q, JB_KEY_REASON),
		      "role %s wants a reason; say why you need it", q->role->name);
}

static bool ticket_rule(const struct question *q)
{
	regex_t regex;
	bool fits;

	if (!q->role->ticket)
		return true;
	if (regcomp(&regex, q->role->ticket, REG_EXTENDED | REG_NOSUB) != 0)
		return refuse(q->decision, "policy.ticket", role_line(q, JB_KEY_TICKET),
			      "the broker cannot judge tickets; tell its operator");
	fits = q->request->ticket && regexec(&regex, q->request->ticket, 0, NULL, 0) == 0;
	regfree(&regex);
	return fits || refuse(q->decision, "policy.ticket", role_line(q, JB_KEY_TICKET),
			      "role %s wants a ticket of the form %s", q->role->name, q->role->ticket);
}

/*
 * A grant lives only while somebody who approved it may still do so; one that
 * nobody approved, while the role still approves by itself.
 */
static bool approval_rule(const struct question *q)
{
	const struct jb_request *r = q->request;

	if (r->status != JB_APPROVED && r->status != JB_ACTIVE)
		return true;
	if (r->approved_by)
		return jb_policy_count_approvals(q->conf, r) > 0 ||
		       refuse(q->decision, "policy.approval", role_line(q, JB_KEY_APPROVERS),
			      "nobody who approved this may approve role %s any more; ask anew", q->role->name);
	if (q->role->auto_approve == JB_AUTO_SIMULATED && r->simulate)
		return true;
	return refuse(q->decision, "policy.auto_approve", role_line(q, JB_KEY_AUTO_APPROVE),
		      "role %s is no longer approved without a person", q->role->name);
}

struct jb_decision jb_policy_allows(const struct jb_conf *conf, const struct jb_request *request)
{
	static bool (*const rules[])(const struct question *) = {
		host_rule,     requester_rule, shared_rule,   service_rule, target_rule, arn_rule,
		unsealed_rule, duration_rule,  approval_rule, reason_rule,  ticket_rule,
	};
	struct jb_decision d = {.allowed = false};
	const struct question q = {conf, jb_conf_role(conf, request->role), request, &d};

	if (!q.role) {
		refuse(&d, "policy.role", 0, "there is no role %s; the broker's operator sets the roles",
		       request->role ? request->role : "without a name");
		return d;
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i](&q))
			return d;
	d.allowed = true;
	return d;
}

const struct jb_role *jb_policy_choose(const struct jb_conf *conf, const struct jb_request *request,
				       struct jb_decision *refusal)
{
	static bool (*const rules[])(const struct question *) = {
		host_rule, requester_rule, shared_rule, service_rule, target_rule,
	};

	for (size_t i = 0; i < conf->role_count; i++) {
		struct jb_decision d = {.allowed = true};
		const struct question q = {conf, &conf->roles[i], request, &d};

		for (size_t j = 0; d.allowed && j < sizeof(rules) / sizeof(rules[0]); j++)
			rules[j](&q);
		if (d.allowed && (!request->role_arn || same(request->role_arn, q.role->arn)))
			return q.role;
	}
	*refusal = (struct jb_decision){.allowed = false};
	refuse(refusal, "policy.role", 0, "no role lets %s ask for %s%s%s on %s; the broker's operator sets the roles",
	       request->requester, request->service ? request->service : "anything", request->target ? " as " : "",
	       request->target ? request->target : "", request->host);
	return NULL;
}

/* The section's name is a person's own too, even where `unix` leaves it out. */
static bool is_name_of(const struct jb_conf *conf, const struct jb_person *person, const char *name)
{
	return name && (strcmp(name, person->name) == 0 || jb_conf_person_by_unix(conf, name) == person);
}

bool jb_policy_is_own(const struct jb_conf *conf, const struct jb_request *request, const struct jb_person *person)
{
	return (request->person && strcmp(request->person, person->name) == 0) ||
	       is_name_of(conf, person, request->requester) || is_name_of(conf, person, request->login_user);
}

/* A person who may decide over anything at all: declared, and one human being. */
static const struct jb_person *decider(const struct jb_conf *conf, const char *name, struct jb_decision *d)
{
	const struct jb_person *person = jb_conf_person(conf, name);

	if (person && !person->shared)
		return person;
	refuse(d, "approval.not_eligible", person ? person->lines.section : 0,
	       "%s is no person that the broker knows, so nothing can be approved under that name",
	       name ? name : "nobody");
	return NULL;
}

struct jb_decision jb_policy_may_decide(const struct jb_conf *conf, const struct jb_request *request, const char *name)
{
	struct jb_decision d = {.allowed = false};
	const struct jb_role *role = jb_conf_role(conf, request->role);
	const struct jb_person *person = decider(conf, name, &d);

	if (!person)
		return d;
	if (jb_policy_is_own(conf, request, person))
		refuse(&d, "approval.own_request", 0,
		       "this is your own request; another approver of role %s has to decide it", request->role);
	else if (!role || !jb_conf_lists(conf, &role->approvers, person->name))
		refuse(&d, "approval.not_eligible", role ? jb_conf_line(&role->lines, JB_KEY_APPROVERS) : 0,
		       "%s is not an approver of role %s; the broker's operator sets its approvers", person->name,
		       request->role);
	else
		d.allowed = true;
	return d;
}

struct jb_decision jb_policy_may_revoke(const struct jb_conf *conf, const struct jb_request *request, const char *name)
{
	struct jb_decision d = {.allowed = false};
	const struct jb_role *role = jb_conf_role(conf, request->role);
	const struct jb_person *person = decider(conf, name, &d);

	if (!person)
		return d;
	if (role)
		d.allowed = jb_conf_lists(conf, &role->approvers, person->name);
	for (size_t i = 0; !role && i < conf->role_count; i++) /* taking away is the safe direction */
		d.allowed |= jb_conf_lists(conf, &conf->roles[i].approvers, person->name);
	if (!d.allowed)
		refuse(&d, "approval.not_eligible", role ? jb_conf_line(&role->lines, JB_KEY_APPROVERS) : 0,
		       "%s is not an approver of role %s; the broker's operator sets its approvers", person->name,
		       request->role);
	return d;
}

unsigned jb_policy_count_approvals(const struct jb_conf *conf, const struct jb_request *request)
{
	unsigned count = 0;

	/* Persons, not words: each declared person is asked once whether the words hold them. */
	for (size_t i = 0; request->approved_by && i < conf->person_count; i++) {
		const char *name = conf->persons[i].name;
		size_t len = strlen(name);
		bool approved = false;

		for (const char *w = request->approved_by; *(w += strspn(w, " ")); w += strcspn(w, " "))
			approved |= strcspn(w, " ") == len && memcmp(w, name, len) == 0;
		count += approved && jb_policy_may_decide(conf, request, name).allowed;
	}
	return count;
}
