/*
 * Filing: from what a host posted to a record that the policy has judged. The
 * policy's answer comes before anything is stored; limits before anybody is
 * bothered.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "draft.h"
#include "engine_private.h"
#include "notice.h"
#include "seal.h"
#include "text.h"
#include "uuid.h"
#include "workflow.h"

#define NAME_SIZE	256  /* of user, service, role and host names, NUL included */
#define COMMAND_SIZE	4097 /* of a command or a path */
#define IDEMPOTENCY_MAX 64   /* characters of an Idempotency-Key */
#define ANY_ROLE	"*"  /* no section can have this name */
#define INSERT_TRIES	4    /* a short id of 40 bits can be taken */

static void request_freep(struct jb_request **request)
{
	jb_request_free(*request);
}
#define REQUEST JIT_CLEANUP(request_freep) struct jb_request

static bool is_name_text(const char *text)
{
	char clean[NAME_SIZE];
	size_t len = strlen(text);

	/* What cleaning would alter is no name: "op1\n" must not become somebody. */
	return len > 0 && len < sizeof(clean) && !text[strcspn(text, " \t")] &&
	       jit_text_clean_str(clean, sizeof(clean), text) == len && memcmp(clean, text, len) == 0;
}

static int bad_field(struct jb_fault *fault, const char *field, const char *what)
{
	return jb_engine_fault(fault, 400, "request.field", "%s %s", field, what);
}

/* Fields that decide are taken to the letter or not at all. */
static int check_names(const struct jb_filing *f, struct jb_fault *fault)
{
	const struct {
		const char *field, *value;
		bool required;
	} names[] = {
		{"requester", f->requester, true}, {"role", f->role, true},	 {"loginUser", f->login_user, false},
		{"service", f->service, false},	   {"target", f->target, false}, {"forHost", f->for_host, false},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!names[i].value && !names[i].required)
			continue;
		if (!names[i].value || !is_name_text(names[i].value))
			return bad_field(fault, names[i].field,
					 "must be a name of at most 255 bytes, without blanks and control characters");
	}
	return 0;
}

static int check_filing(const struct jb_filing *f, struct jb_fault *fault)
{
	JIT_KEY EVP_PKEY *key = NULL;

	if (check_names(f, fault) < 0)
		return -1;
	if (f->duration <= 0)
		return bad_field(fault, "duration", "must be a number of seconds above 0");
	if (f->public_key && jit_jwk_parse(f->public_key, &key) < 0)
		return bad_field(fault, "publicKey", "must be a P-256 public key as a JWK");
	if (f->idempotency_key && (!*f->idempotency_key || strlen(f->idempotency_key) > IDEMPOTENCY_MAX ||
				   !jit_utf8_valid(f->idempotency_key, strlen(f->idempotency_key))))
		return bad_field(fault, "Idempotency-Key", "must have 1 to 64 characters");
	if (f->idempotency_key && !f->body_hash)
		return bad_field(fault, "Idempotency-Key", "came without a body");
	return 0;
}

/* A clean copy of at most size - 1 bytes; nothing for NULL. False: out of memory. */
static bool copy_clean(char **at, const char *text, size_t size)
{
	char clean[COMMAND_SIZE];

	if (!text || !*text)
		return true;
	jit_text_clean_str(clean, size < sizeof(clean) ? size : sizeof(clean), text);
	return (*at = strdup(clean)) != NULL;
}

static bool copy(char **at, const char *text)
{
	return !text || (*at = strdup(text)) != NULL;
}

/* Whose request this is: the requester's person; behind a shared account the person who logged in. */
static const char *person_of(const struct jb_conf *conf, const struct jb_filing *f)
{
	const struct jb_person *person = jb_conf_person_by_unix(conf, f->requester);

	if (person && person->shared)
		person = jb_conf_person_by_unix(conf, f->login_user);
	return person ? person->name : NULL;
}

static struct jb_request *from_filing(const struct jb_conf *conf, const char *host, const struct jb_filing *f)
{
	REQUEST *r = jb_request_new();
	const bool for_other = f->for_host && strcmp(f->for_host, host) != 0;

	if (!r)
		return NULL;
	r->version = 1;
	r->duration = f->duration;
	r->simulate = f->simulate;
	r->resume = f->resume;
	if (!copy(&r->host, for_other ? f->for_host : host) || !copy(&r->filed_by, for_other ? host : NULL) ||
	    !copy(&r->requester, f->requester) || !copy(&r->person, person_of(conf, f)) ||
	    !copy(&r->login_user, f->login_user) || !copy(&r->role, f->role) || !copy(&r->role_arn, f->role_arn) ||
	    !copy(&r->service, f->service) || !copy(&r->target, f->target) || !copy(&r->public_key, f->public_key) ||
	    !copy(&r->idempotency_key, f->idempotency_key) || !copy(&r->body_hash, f->body_hash) ||
	    !copy_clean(&r->tty, f->tty, NAME_SIZE) || !copy_clean(&r->rhost, f->rhost, NAME_SIZE) ||
	    !copy_clean(&r->session, f->session, NAME_SIZE) || !copy_clean(&r->command, f->command, COMMAND_SIZE) ||
	    !copy_clean(&r->cwd, f->cwd, COMMAND_SIZE) || !copy_clean(&r->reason, f->reason, JB_TEXT_SIZE) ||
	    !copy_clean(&r->ticket, f->ticket, JB_TEXT_SIZE))
		return NULL;
	return JIT_TAKE(r);
}

/* "sudo su"; `self` is written as the requester's name, so that the host need not know the word. */
static char *join(const struct jb_words *words, const char *self)
{
	struct jit_draft out = {0};

	for (size_t i = 0; i < words->count; i++)
		jit_draft_printf(&out, "%s%s", i ? " " : "",
				 self && strcmp(words->word[i], "self") == 0 ? self : words->word[i]);
	return jit_draft_done(&out, NULL);
}

/* What an approval will give, as the role has it now. False: out of memory. */
static bool take_terms(struct jb_request *r, const struct jb_conf *conf, const struct jb_role *role, int64_t now)
{
	r->duration = jb_policy_duration(conf, r, now);
	r->approvals_needed = role->approvals;
	return (r->role_arn || copy(&r->role_arn, role->arn)) && (r->services = join(&role->services, NULL)) &&
	       (r->targets = join(&role->targets, r->requester)) && copy(&r->region, role->region) &&
	       copy(&r->scope, role->scope == JB_SCOPE_USER ? "user" : "session") &&
	       copy(&r->on_expiry, role->on_expiry == JB_EXPIRY_END ? "end" : "warn");
}

/* Two digits, 10 to 99, each as likely as any other: bytes above the last whole 90s are thrown away. */
static int make_code(char code[static 3])
{
	uint8_t byte;

	do {
		if (RAND_bytes(&byte, 1) != 1)
			return -EIO;
	} while (byte >= 180);
	snprintf(code, 3, "%u", 10U + byte % 90U);
	return 0;
}

static int set_status(struct jb_request *r, const struct jb_role *role, const struct jb_decision *d, int64_t now)
{
	const char *why = d->message;

	r->status = JB_PENDING;
	r->requested_at = now;
	r->pending_until = now + role->pending;
	if (d->by_policy) {
		r->status = JB_APPROVED;
		r->use_until = now + role->use_within;
	} else if (role->approvers.count == 0) {
		why = "nobody approves this role, and the policy does not approve it just now";
		r->status = JB_DENIED;
		r->ended_at = now;
	} else {
		return role->code_required ? make_code(r->code) : 0;
	}
	r->decided_at = now;
	return copy(&r->decided_by, "policy") && jb_engine_set_text(&r->comment, why) ? 0 : -ENOMEM;
}

/* Nobody may fill the approvers' list: not one requester, not one host. Some requesters together do not fill their
 * host's part either: the last quarter is for those of whom none waits there. */
static int check_limits(struct jb_engine *engine, const char *host, const struct jb_request *r, struct jb_fault *fault)
{
	const struct jb_conf *conf = engine->conf;
	const struct jb_usage_plan *plan = jb_conf_plan_of(conf, host);
	struct jb_query query = {.filer = host, .status = (int)JB_PENDING};
	size_t of_host, of_requester = 0;

	if (jb_store_count(engine->store, &query, &of_host) < 0)
		return jb_engine_store_fault(engine, fault);
	query.requester = r->requester;
	if (of_host && jb_store_count(engine->store, &query, &of_requester) < 0)
		return jb_engine_store_fault(engine, fault);
	if (of_requester >= conf->waiting_per_requester)
		return jb_engine_fault(
			fault, 429, "limit.waiting",
			"%s has %zu requests waiting on %s already; withdraw one or wait for its decision",
			r->requester, of_requester, host);
	const size_t most = plan->pending ? plan->pending : conf->waiting_per_host;
	if (of_host >= most || (of_requester && of_host >= most - most / 4))
		return jb_engine_fault(fault, 429, "limit.waiting",
				       "host %s has %zu requests waiting already; wait until some are decided", host,
				       of_host);
	return 0;
}

/* The request that was filed with this key before: 1 and it; 0: none; -1: another body, or no store. */
static int find_replay(struct jb_engine *engine, const char *host, const struct jb_filing *f, int64_t now,
		       struct jb_request **ret, struct jb_fault *fault)
{
	REQUEST *before = NULL;

	if (!f->idempotency_key)
		return 0;
	int r = jb_store_get_idempotent(engine->store, host, f->idempotency_key, &before);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return jb_engine_store_fault(engine, fault);
	if (!before->body_hash || strcmp(before->body_hash, f->body_hash) != 0)
		return jb_engine_fault(fault, 422, "request.idempotency",
				       "this Idempotency-Key belongs to another request; take a new one");
	return jb_engine_get(engine, host, before->id, now, ret, fault) < 0 ? -1 : 1;
}

/* `line`: the rule by which the policy let it through, or approved it. */
static char *filed_detail(const struct jb_request *r, const char *line)
{
	char duration[24];

	snprintf(duration, sizeof(duration), "%lld", (long long)r->duration);
	return JB_DETAIL({"shortId", r->short_id}, {"status", jb_status_name(r->status)}, {"host", r->host},
			 {"requester", r->requester}, {"person", r->person}, {"loginUser", r->login_user},
			 {"role", r->role}, {"duration", duration}, {"service", r->service}, {"target", r->target},
			 {"tty", r->tty}, {"rhost", r->rhost}, {"command", r->command}, {"reason", r->reason},
			 {"ticket", r->ticket}, {"decidedBy", r->decided_by}, {"why", r->comment}, {"line", line});
}

/* 0, -EEXIST (the id or the idempotency key is taken), or another error. */
static int insert(struct jb_engine *engine, const char *host, struct jb_request *r, const char *line, int64_t now)
{
	char actor[NAME_SIZE + 8];

	int went = r->idempotency_key ? jb_request_id_of_key(host, r->idempotency_key, r->id, r->short_id)
				      : jit_uuid_new(r->id, r->short_id);
	if (went < 0)
		return went;
	JIT_FREE char *detail = filed_detail(r, line);
	if (!detail)
		return -ENOMEM;
	jb_engine_host_actor(host, actor, sizeof(actor));
	struct jb_notices notices = {0};
	const struct jb_audit audit = {.at = now,
				       .action = "request.filed",
				       .actor = actor,
				       .request_id = r->id,
				       .detail = detail,
				       .notices = &notices};
	went = jb_notices_of_request(engine->conf, r, JB_TOLD_FILED, now, &notices);
	if (went == 0)
		went = jb_workflow_start(engine->conf, r, now, &notices);
	/* The host that it is for did not file it: it has to be told. */
	if (went == 0)
		went = jb_store_insert(engine->store, r, r->filed_by != NULL, &audit);
	if (went == 0)
		jb_engine_tell_owed(engine, &notices);
	jb_notices_clear(&notices);
	if (went == 0 && r->filed_by && engine->changed)
		engine->changed(engine->changed_arg, r);
	return went;
}

/* "*": the policy names the role. 0, or -1 with the fault. */
static int choose_role(struct jb_engine *engine, struct jb_request *r, int64_t now, struct jb_fault *fault)
{
	struct jb_decision d;

	if (strcmp(r->role, ANY_ROLE) != 0)
		return 0;
	const struct jb_role *role = jb_policy_choose(engine->conf, r, now, &d);
	if (!role)
		return jb_engine_fault(fault, 403, d.code, "%s", d.message);
	return jb_engine_set_text(&r->role, role->name)
		       ? 0
		       : jb_engine_fault(fault, 503, "store.unavailable", "the broker is out of memory; try again");
}

/* Judges the new record and gives it its first state. */
static int judge(struct jb_engine *engine, const char *host, struct jb_request *r, int64_t now, char *ret_line,
		 struct jb_fault *fault)
{
	if (choose_role(engine, r, now, fault) < 0)
		return -1;
	const struct jb_role *role = jb_conf_role(engine->conf, r->role);
	if (role && !take_terms(r, engine->conf, role, now))
		return jb_engine_fault(fault, 503, "store.unavailable", "the broker is out of memory; try again");
	struct jb_decision d = jb_policy_allows(engine->conf, r, NULL, now);
	if (!d.allowed || !role)
		return jb_engine_fault(fault, 403, d.code, "%s", d.message);
	jb_engine_line(engine, &d, ret_line);
	if (set_status(r, role, &d, now) < 0)
		return jb_engine_fault(fault, 503, "store.unavailable",
				       "the broker is out of memory or randomness; try again");
	int64_t last = r->use_until > r->pending_until ? r->use_until : r->pending_until;
	r->expires_at = last + engine->conf->retention;
	return r->status == JB_PENDING ? check_limits(engine, host, r, fault) : 0;
}

int jb_engine_file(struct jb_engine *engine, const char *host, const struct jb_filing *filing, int64_t now,
		   struct jb_request **ret, bool *ret_replayed, struct jb_fault *fault)
{
	REQUEST *request = NULL;
	char line[JB_LINE_SIZE];
	int r = -EEXIST;

	if (check_filing(filing, fault) < 0)
		return -1;
	jb_engine_heard(engine, host, now);
	for (int i = 0; r == -EEXIST && i < INSERT_TRIES; i++) {
		int replay = find_replay(engine, host, filing, now, ret, fault);
		if (replay != 0) {
			*ret_replayed = replay > 0;
			return replay > 0 ? 0 : -1;
		}
		if (!request) {
			request = from_filing(engine->conf, host, filing);
			if (!request)
				return jb_engine_fault(fault, 503, "store.unavailable",
						       "the broker is out of memory; try again");
			if (judge(engine, host, request, now, line, fault) < 0)
				return -1;
		}
		r = insert(engine, host, request, line, now);
	}
	if (r < 0)
		return jb_engine_store_fault(engine, fault);
	*ret_replayed = false;
	*ret = JIT_TAKE(request);
	return 0;
}
