/* See verdict.h. */
#include "verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proc.h"
#include "question.h"
#include "text.h"

#define OPERATOR "tell the operator of this host"

__attribute__((format(printf, 3, 4))) static void say(struct jh_verdict *v, enum jit_outcome outcome,
						      const char *format, ...)
{
	char raw[2 * JIT_LINE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	v->outcome = outcome;
	v->no_answer = false;
	v->error[0] = '\0';
	jit_text_clean_str(v->text, sizeof(v->text), raw);
}

struct jh_verdict jh_verdict_of(enum jit_outcome outcome, const char *format, ...)
{
	struct jh_verdict verdict = {.outcome = outcome};
	va_list ap;

	va_start(ap, format);
	vsnprintf(verdict.text, sizeof(verdict.text), format, ap);
	va_end(ap);
	return verdict;
}

/* An HTTP answer that is none to go on with. */
static void answer_trouble(const struct jit_fetch_result *result, const char *broker, char *buf, size_t size)
{
	char type[64], code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	jit_text_clean(type, sizeof(type), result->content_type, strcspn(result->content_type, ";"));
	jh_error_read(result->body, result->body_len, code, message);
	/* The broker's sentences end with a full stop, ours go on. */
	size_t len = strlen(message);
	if (result->status >= 200 && result->status < 300)
		snprintf(buf, size, "the answer of the broker at %s makes no sense (%s)", broker,
			 type[0] && strcmp(type, "application/json") != 0 ? type : "not what the protocol says");
	else if (result->status == 429)
		snprintf(buf, size, "the broker at %s takes no more calls from this host just now (HTTP status %ld)",
			 broker, result->status);
	else
		snprintf(buf, size, "the broker at %s failed with HTTP status %ld%s%.*s", broker, result->status,
			 len ? ": " : "", (int)(len && message[len - 1] == '.' ? len - 1 : len), message);
}

void jh_trouble(const struct jit_fetch_result *result, const char *broker, char *buf, size_t size)
{
	if (result->tried[0]) {
		snprintf(buf, size, "no broker answers: %s", result->tried);
		return;
	}
	switch (result->fault) {
	case JIT_FETCH_OK:
		answer_trouble(result, broker, buf, size);
		break;
	case JIT_FETCH_TOO_LARGE:
		snprintf(buf, size, "the answer of the broker at %s is too large", broker);
		break;
	case JIT_FETCH_TIMEOUT:
		snprintf(buf, size, "the broker at %s did not answer in time", broker);
		break;
	case JIT_FETCH_BROKEN:
		snprintf(buf, size, "the broker at %s broke the connection off before a whole HTTP answer came",
			 broker);
		break;
	default:
		snprintf(buf, size, "cannot reach the broker at %s: %s", broker, result->why);
	}
}

static void unavailable(const struct jit_fetch_result *result, const char *broker, struct jh_verdict *v)
{
	char trouble[JIT_LINE_SIZE];

	jh_trouble(result, broker, trouble, sizeof(trouble));
	say(v, JIT_UNAVAILABLE, "%s; " OPERATOR, trouble);
}

static bool is_gateway_failure(long status)
{
	return status == 502 || status == 503 || status == 504;
}

bool jh_no_answer(const struct jit_fetch_result *result)
{
	char code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	if (result->fault != JIT_FETCH_OK)
		return result->silent;
	if (result->status < 500)
		return false;
	jh_error_read(result->body, result->body_len, code, message);
	return strncmp(code, "issuer.", 7) != 0;
}

bool jh_passing(const struct jit_fetch_result *result)
{
	return result->fault != JIT_FETCH_OK || result->status == 429 || result->status >= 500;
}

/* No HTTP answer at all. */
static enum jh_filed judge_fault(const struct jit_fetch_result *result, const struct jh_filing_facts *facts,
				 struct jh_verdict *v)
{
	/* Nobody can have read it before. */
	const bool first = facts->first && !result->sent;

	unavailable(result, facts->broker, v);
	v->no_answer = jh_no_answer(result);
	switch (result->fault) {
	case JIT_FETCH_BROKEN:
		return JH_FILED_RETRY;
	case JIT_FETCH_DNS:
	case JIT_FETCH_CONNECT: /* after a lost connection it is the same broker, starting again */
		return first ? JH_FILED_REFUSED : JH_FILED_RETRY;
	case JIT_FETCH_TLS:
	case JIT_FETCH_LOCAL:
		return first ? JH_FILED_REFUSED : JH_FILED_UNKNOWN;
	default:
		return JH_FILED_UNKNOWN;
	}
}

static enum jh_filed judge_policy(const char *code, const char *message, const struct jh_filing_facts *facts,
				  struct jh_verdict *v)
{
	bool reason = strcmp(code, "policy.reason") == 0, ticket = strcmp(code, "policy.ticket") == 0;
	char role[JH_ROLE_WORDS];

	if (reason && !facts->has_reason)
		say(v, JIT_DENIED,
		    facts->by_jit ? "%s needs a reason: say it with --reason 'disk full'"
				  : "%s needs a reason: set JIT_REASON, for example JIT_REASON='disk full'",
		    jh_role_words(facts->role, role));
	else if (ticket && !facts->has_ticket)
		say(v, JIT_DENIED,
		    facts->by_jit ? "%s needs a ticket: name it with --ticket INC-4711"
				  : "%s needs a ticket: set JIT_TICKET, for example JIT_TICKET=INC-4711",
		    jh_role_words(facts->role, role));
	else
		say(v, JIT_DENIED, "%s (no request was made)", message[0] ? message : "the broker's policy says no");
	snprintf(v->error, sizeof(v->error), "%s", code);
	return reason ? JH_FILED_ASK_REASON : ticket ? JH_FILED_ASK_TICKET : JH_FILED_REFUSED;
}

static enum jh_filed judge_refusal(const struct jit_fetch_result *result, const struct jh_filing_facts *facts,
				   struct jh_verdict *v)
{
	char code[JH_CODE_SIZE], message[JIT_LINE_SIZE];

	jh_error_read(result->body, result->body_len, code, message);
	if (result->status == 403 && strncmp(code, "policy.", 7) == 0)
		return judge_policy(code, message, facts, v);
	if (result->status == 401 || result->status == 403)
		say(v, JIT_UNAVAILABLE, "the broker at %s does not know this host's API key; " OPERATOR, facts->broker);
	else if (result->status == 429 && strcmp(message, "Too Many Requests") == 0)
		say(v, JIT_UNAVAILABLE,
		    "this host calls the broker more often than its usage plan allows; try again in a moment");
	else if (result->status == 429 && strcmp(message, "Limit Exceeded") == 0)
		say(v, JIT_UNAVAILABLE,
		    "this host has made all the calls that its usage plan at the broker gives it a day (until midnight "
		    "UTC); " OPERATOR);
	else if (result->status == 429)
		say(v, JIT_UNAVAILABLE, "the broker takes no more requests now: %s; try again in a moment",
		    message[0] ? message : "too many are waiting");
	else if (result->status >= 400 && result->status < 500 && message[0])
		say(v, JIT_UNAVAILABLE, "the broker did not accept the request: %s; " OPERATOR, message);
	else
		unavailable(result, facts->broker, v);
	v->no_answer = jh_no_answer(result);
	/* Too fast: nobody has read it, and the next moment brings new calls. */
	if (is_gateway_failure(result->status) || (result->status == 429 && strcmp(message, "Too Many Requests") == 0))
		return JH_FILED_RETRY;
	return result->status >= 500 ? JH_FILED_UNKNOWN : JH_FILED_REFUSED;
}

enum jh_filed jh_judge_filing(const struct jit_fetch_result *result, const struct jh_filing_facts *facts,
			      struct jh_answer *ret_answer, struct jh_verdict *ret_verdict)
{
	struct jh_answer answer;

	if (result->fault != JIT_FETCH_OK)
		return judge_fault(result, facts, ret_verdict);
	if (result->status != 200)
		return judge_refusal(result, facts, ret_verdict);
	int r = jh_answer_read(result->body, result->body_len, &answer);
	if (r == -ENOMEM) { /* it is filed: the same again finds it */
		say(ret_verdict, JIT_UNAVAILABLE, "%s", JH_SHORTAGE);
		return JH_FILED_RETRY;
	}
	if (r < 0) {
		unavailable(result, facts->broker, ret_verdict);
		return JH_FILED_UNKNOWN;
	}
	if (strcmp(answer.requester, facts->requester) != 0 ||
	    (strcmp(facts->role, JH_ROLE_ANY) != 0 && strcmp(answer.role, facts->role) != 0)) {
		jh_answer_clear(&answer);
		say(ret_verdict, JIT_UNAVAILABLE, "the broker at %s answered for another request; " OPERATOR,
		    facts->broker);
		return JH_FILED_UNKNOWN;
	}
	*ret_answer = answer;
	return JH_FILED_REQUEST;
}

void jh_judge_silence(const char *short_id, int64_t waited_s, const char *trouble, struct jh_verdict *ret)
{
	char span[32];

	jit_format_duration((uint64_t)(waited_s > 0 ? waited_s : 0), span, sizeof(span));
	say(ret, JIT_TIMED_OUT, "request %s: no decision was heard within %s: %s; " OPERATOR, short_id, span, trouble);
}

void jh_judge_decision(const struct jh_answer *a, int64_t pending_s, struct jh_verdict *ret)
{
	const char *by = a->decided_by[0] ? a->decided_by : "the broker";
	const char *sep = a->comment[0] ? ": " : "";
	char span[32];

	switch (a->status) {
	case JH_APPROVED:
	case JH_ACTIVE:
		jit_format_duration((uint64_t)a->remaining_s, span, sizeof(span));
		say(ret, JIT_ALLOW, "request %s: approved by %s for %s%s%s", a->short_id, by, span, sep, a->comment);
		break;
	case JH_DENIED:
		say(ret, JIT_DENIED, "request %s: denied by %s%s%s", a->short_id, by, sep, a->comment);
		break;
	case JH_EXPIRED:
		jit_format_duration((uint64_t)(pending_s > 0 ? pending_s : 0), span, sizeof(span));
		say(ret, JIT_TIMED_OUT, "request %s: nobody decided within %s", a->short_id, span);
		break;
	case JH_REVOKED:
		by = a->ended_by[0] ? a->ended_by : "the broker";
		say(ret, JIT_CANCELLED, "request %s: revoked by %s%s%s", a->short_id, by, sep, a->comment);
		break;
	case JH_FAILED:
		say(ret, JIT_UNAVAILABLE, "request %s: the broker got no AWS credentials for role %s%s%s", a->short_id,
		    a->role, a->failure[0] ? ": " : "", a->failure);
		break;
	case JH_CANCELLED:
	case JH_ENDED:
		say(ret, JIT_CANCELLED, "request %s: withdrawn", a->short_id);
		break;
	default:
		say(ret, JIT_UNAVAILABLE, "request %s: not decided", a->short_id);
	}
}
