/* See doctor_walk.h. */
#include "doctor_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

enum impression { UNDECIDED, POSITIVE, NEGATIVE, IMPRESSIONS };
enum status { SUCCESS, EXPIRED, UNHEARD, FAILURE, STATUSES }; /* what libpam would return, as far as it matters here */
#define STATES (IMPRESSIONS * STATUSES * 2)

/* A moment of the dispatch, before line `at` of the phase. */
struct moment {
	size_t at;
	enum impression impression;
	enum status status;
	bool met; /* ours has been asked */
};

struct phase_lines {
	const struct jd_pam_line **line;
	size_t count;
};

bool jd_is_ours(const struct jd_pam_line *line)
{
	return line->kind != JD_SUBSTACK && strcmp(jd_pam_module_name(line), JD_OURS) == 0;
}

const struct jd_pam_line *jd_our_line(const struct jd_pam_stack *stack, enum jd_phase phase, unsigned *ret_count)
{
	const struct jd_pam_line *first = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < stack->count; i++) {
		if (stack->lines[i].phase != phase || !jd_is_ours(&stack->lines[i]))
			continue;
		first = first ? first : &stack->lines[i];
		count++;
	}
	if (ret_count)
		*ret_count = count;
	return first;
}

static int lines_of(const struct jd_pam_stack *stack, enum jd_phase phase, struct phase_lines *ret)
{
	const struct jd_pam_line **list = calloc(stack->count + 1, sizeof(struct jd_pam_line *));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < stack->count; i++)
		if (stack->lines[i].phase == phase)
			list[n++] = &stack->lines[i];
	*ret = (struct phase_lines){.line = list, .count = n};
	return 0;
}

/* UNHEARD: sudo goes on when open_session comes to PAM_SESSION_ERR. */
static enum status status_of(int code)
{
	switch (code) {
	case PAM_SUCCESS:
		return SUCCESS;
	case PAM_NEW_AUTHTOK_REQD:
		return EXPIRED;
	case PAM_SESSION_ERR:
		return UNHEARD;
	default:
		return FAILURE;
	}
}

/* What pam_deny answers, and what libpam answers in the place of a line that it cannot read. */
static int denial_of(const struct jd_pam_line *line)
{
	static const int denials[JD_PHASES] = {PAM_AUTH_ERR, PAM_AUTH_ERR, PAM_SESSION_ERR, PAM_AUTHTOK_ERR};

	return line->kind == JD_BROKEN ? PAM_PERM_DENIED : denials[line->phase];
}

static bool denies(const struct jd_pam_line *line)
{
	return line->kind == JD_BROKEN || strcmp(jd_pam_module_name(line), "pam_deny.so") == 0;
}

/* `done` and `die`: the end of the stack, or of the substack. */
static size_t end_of_level(const struct phase_lines *p, size_t at)
{
	unsigned level = p->line[at]->level;

	if (level == 0)
		return p->count;
	while (at < p->count && p->line[at]->level >= level)
		at++;
	return at;
}

/* Over `lines` lines of this level, a substack with all its own counting as one. False: there are not so many. */
static bool jump(const struct phase_lines *p, size_t *at, int lines)
{
	unsigned level = p->line[*at]->level;
	size_t i = *at;

	for (; lines > 0 && i + 1 < p->count && p->line[i + 1]->level >= level; lines--)
		do
			i++;
		while (i + 1 < p->count && p->line[i + 1]->level > level);
	*at = i + 1;
	return lines == 0;
}

bool jd_walk_leapt(const struct jd_pam_stack *stack, const struct jd_pam_line *line)
{
	struct phase_lines p;
	size_t here = 0;
	bool leapt = false;

	if (lines_of(stack, line->phase, &p) < 0)
		return true;
	while (here < p.count && p.line[here] != line)
		here++;
	for (size_t i = 0; i < here; i++)
		for (int code = 0; code < JD_PAM_CODES; code++) {
			size_t to = i;

			if (p.line[i]->actions[code] > 0 && p.line[i]->kind == JD_MODULE) {
				jump(&p, &to, p.line[i]->actions[code]);
				leapt = leapt || to > here;
			}
		}
	free(p.line);
	return leapt;
}

static void turn_bad(struct moment *m, int code)
{
	if (m->impression == NEGATIVE)
		return;
	m->impression = NEGATIVE;
	m->status = code == PAM_IGNORE || code == PAM_SUCCESS ? FAILURE : status_of(code);
}

/* PAM_IGNORE, where a control says `ok` to it, becomes what libpam returns: a failure to whoever asked. */
static void turn_good(struct moment *m, int code)
{
	if (m->impression == UNDECIDED || (m->impression == POSITIVE && m->status == SUCCESS)) {
		m->impression = POSITIVE;
		m->status = status_of(code);
	}
}

/* The moment after line `m.at` answered `code`. */
static struct moment step(const struct phase_lines *p, struct moment m, int code)
{
	const struct jd_pam_line *line = p->line[m.at];
	int action = line->actions[code];
	size_t next = m.at + 1;

	m.met = m.met || jd_is_ours(line);
	switch (action) {
	case JD_IGNORE:
		break;
	case JD_RESET:
		/* Of a substack libpam takes back what it decided since it was entered; that is not followed here. */
		m.impression = UNDECIDED;
		m.status = FAILURE;
		break;
	case JD_OK:
	case JD_DONE:
		turn_good(&m, code);
		if (action == JD_DONE && m.impression == POSITIVE)
			next = end_of_level(p, m.at);
		break;
	case JD_BAD:
	case JD_DIE:
		turn_bad(&m, code);
		if (action == JD_DIE)
			next = end_of_level(p, m.at);
		break;
	default:
		next = m.at;
		if (!jump(p, &next, action))
			turn_bad(&m, PAM_IGNORE);
	}
	m.at = next;
	return m;
}

static bool succeeds(const struct moment *m)
{
	return m->impression == POSITIVE && m->status == SUCCESS;
}

int jd_walk_nominal(const struct jd_pam_stack *stack, enum jd_phase phase, int code)
{
	struct moment m = {.impression = UNDECIDED, .status = FAILURE};
	struct phase_lines p;

	if (lines_of(stack, phase, &p) < 0)
		return PAM_BUF_ERR;
	while (m.at < p.count) {
		const struct jd_pam_line *line = p.line[m.at];
		int answer = PAM_SUCCESS;

		if (line->kind == JD_SUBSTACK) {
			m.at++;
			continue;
		}
		if (jd_is_ours(line))
			answer = code;
		else if (denies(line))
			answer = denial_of(line);
		m = step(&p, m, answer);
	}
	free(p.line);
	return succeeds(&m) ? PAM_SUCCESS : PAM_PERM_DENIED;
}

/* May this module ever answer so? pam_rootok lets real uid 0 alone pass, as ours does. */
static bool may_answer(const struct jd_pam_line *line, int code, int ours)
{
	const char *name = jd_pam_module_name(line);

	if (jd_is_ours(line))
		return code == ours;
	if (denies(line))
		return code == denial_of(line);
	if (strcmp(name, "pam_permit.so") == 0)
		return code == PAM_SUCCESS;
	if (strcmp(name, "pam_rootok.so") == 0)
		return code == PAM_AUTH_ERR;
	return true;
}

static size_t number(const struct moment *m)
{
	return ((m->at * IMPRESSIONS + m->impression) * STATUSES + m->status) * 2 + (m->met ? 1 : 0);
}

/* Every moment that can be reached, each once. `from[n]` is the line that first led to moment n by leaving lines out.
 */
struct search {
	struct phase_lines p;
	struct moment *queue;
	bool *seen;
	const struct jd_pam_line **leap;   /* the last leap over ours on the way to that moment */
	const struct jd_pam_line **failed; /* where its status is UNHEARD: who made it so */
	size_t queued;
};

static void reach(struct search *s, const struct moment *m, const struct jd_pam_line *leap,
		  const struct jd_pam_line *failed)
{
	size_t n = number(m);

	if (s->seen[n])
		return;
	s->seen[n] = true;
	s->leap[n] = leap;
	s->failed[n] = failed;
	s->queue[s->queued++] = *m;
}

static bool leaps_over_ours(const struct phase_lines *p, size_t from, size_t to)
{
	for (size_t i = from + 1; i < to && i < p->count; i++)
		if (jd_is_ours(p->line[i]))
			return true;
	return false;
}

static void judge_end(const struct search *s, const struct moment *m, struct jd_ways *ways)
{
	if (succeeds(m) && m->met)
		ways->through = true;
	if (succeeds(m) && !m->met) {
		ways->past = true;
		ways->past_line = s->leap[number(m)];
	}
	if (m->impression == POSITIVE && m->status == EXPIRED && !m->met)
		ways->expired = true;
	if (m->status == UNHEARD && (!ways->unheard_line || s->failed[number(m)] < ways->unheard_line))
		ways->unheard_line = s->failed[number(m)]; /* the first in the stack's order */
}

static void expand(struct search *s, const struct moment *m, int ours)
{
	const struct jd_pam_line *line = s->p.line[m->at];
	const struct jd_pam_line *leap = s->leap[number(m)], *failed = s->failed[number(m)];

	if (line->kind == JD_SUBSTACK) {
		struct moment next = *m;

		next.at++;
		reach(s, &next, leap, failed);
		return;
	}
	for (int code = 0; code < JD_PAM_CODES; code++) {
		if (!may_answer(line, code, ours))
			continue;
		struct moment next = step(&s->p, *m, code);
		reach(s, &next, leaps_over_ours(&s->p, m->at, next.at) ? line : leap,
		      m->status == UNHEARD ? failed : line);
	}
}

int jd_walk_ways(const struct jd_pam_stack *stack, enum jd_phase phase, int code, struct jd_ways *ret)
{
	struct search s = {0};
	struct jd_ways ways = {0};
	const struct moment start = {.impression = UNDECIDED, .status = FAILURE};

	if (lines_of(stack, phase, &s.p) < 0)
		return -ENOMEM;
	size_t room = (s.p.count + 1) * STATES;
	s.queue = calloc(room, sizeof(*s.queue));
	s.seen = calloc(room, sizeof(*s.seen));
	s.leap = calloc(room, sizeof(struct jd_pam_line *));
	s.failed = calloc(room, sizeof(struct jd_pam_line *));
	bool good = s.queue && s.seen && s.leap && s.failed;
	if (good)
		reach(&s, &start, NULL, NULL);
	for (size_t i = 0; good && i < s.queued; i++) {
		struct moment m = s.queue[i];

		if (m.at >= s.p.count)
			judge_end(&s, &m, &ways);
		else
			expand(&s, &m, code);
	}
	free(s.queue);
	free(s.seen);
	free(s.leap);
	free(s.failed);
	free(s.p.line);
	if (!good)
		return -ENOMEM;
	*ret = ways;
	return 0;
}
