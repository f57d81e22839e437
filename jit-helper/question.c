/* See question.h. */
#include "question.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define DURATION_S 900 /* asked where the service has no section */
#define AHEAD_S	   2   /* the module must still hear our answer */

/* An absent text is "". *ret_clean (may be NULL): it needed no cleaning. */
static bool get_cleaned(const struct jit_frame *frame, enum jit_tag tag, char *buf, size_t size, bool *ret_clean)
{
	char raw[JIT_COMMAND_SIZE];
	int r = jit_frame_get_str(frame, (uint8_t)tag, raw, size < sizeof(raw) ? size : sizeof(raw));

	jit_text_clean_str(buf, size, raw); /* "" where there was none */
	if (ret_clean)
		*ret_clean = strcmp(raw, buf) == 0;
	return r == 0 || r == -ENOENT;
}

/* What people see is made clean. */
static bool get_text(const struct jit_frame *frame, enum jit_tag tag, char *buf, size_t size)
{
	return get_cleaned(frame, tag, buf, size, NULL);
}

/* What is compared must have been clean already. */
static bool get_name(const struct jit_frame *frame, enum jit_tag tag, char *buf, size_t size)
{
	bool clean;

	return get_cleaned(frame, tag, buf, size, &clean) && clean;
}

/* Left as it is where it is absent. */
static bool get_flag(const struct jit_frame *frame, enum jit_tag tag, bool *flag)
{
	uint32_t value = *flag;
	int r = jit_frame_get_u32(frame, (uint8_t)tag, &value);

	*flag = value == 1;
	return (r == 0 || r == -ENOENT) && value <= 1;
}

static bool read_fields(const struct jit_frame *f, struct jh_question *q)
{
	uint32_t uid;

	if (!get_name(f, JIT_T_SERVICE, q->service, sizeof(q->service)) || !q->service[0] ||
	    !get_name(f, JIT_T_APP, q->app, sizeof(q->app)) || !q->app[0] ||
	    !get_name(f, JIT_T_REQUESTER, q->requester, sizeof(q->requester)) || !q->requester[0] ||
	    jit_frame_get_u32(f, JIT_T_UID, &uid) < 0 || jit_frame_get_u32(f, JIT_T_WAIT, &q->wait_s) < 0 ||
	    !get_name(f, JIT_T_TARGET, q->target, sizeof(q->target)) ||
	    !get_name(f, JIT_T_ROLE, q->role, sizeof(q->role)) || !get_name(f, JIT_T_GRANT, q->grant, sizeof(q->grant)))
		return false;
	q->uid = (uid_t)uid;
	if (!get_flag(f, JIT_T_CAN_ASK, &q->can_ask) || !get_flag(f, JIT_T_LIVE, &q->live) ||
	    !get_flag(f, JIT_T_OBSERVE, &q->observe) || !get_flag(f, JIT_T_GLASS, &q->glass))
		return false;
	return get_text(f, JIT_T_TTY, q->tty, sizeof(q->tty)) && get_text(f, JIT_T_RHOST, q->rhost, sizeof(q->rhost)) &&
	       get_text(f, JIT_T_COMMAND, q->command, sizeof(q->command)) &&
	       get_text(f, JIT_T_CWD, q->cwd, sizeof(q->cwd)) &&
	       get_text(f, JIT_T_REASON, q->reason, sizeof(q->reason)) &&
	       get_text(f, JIT_T_TICKET, q->ticket, sizeof(q->ticket));
}

static void add_settings(struct jh_question *q, const struct jh_service *service)
{
	q->duration_s = service ? service->duration_s : DURATION_S;
	q->unattended = service ? service->unattended : jh_unattended_default(q->service);
	q->resume = strcmp(q->app, "sshd") == 0 && (!service || service->resume);
	q->silent_wait_s = service ? service->silent_wait_s : 0;
}

int jh_question_read(const struct jit_frame *frame, const struct jh_conf *conf, struct jh_question *ret, char *why,
		     size_t why_size)
{
	struct jh_question q = {.live = true};

	if (!read_fields(frame, &q) || q.wait_s == 0) {
		snprintf(why, why_size,
			 "the PAM module's question to jit-helper made no sense: install the same "
			 "version of both");
		return -EINVAL;
	}
	const struct jh_service *service = jh_conf_service(conf, q.service);
	add_settings(&q, service);
	if (!q.role[0])
		snprintf(q.role, sizeof(q.role), "%s", service && service->role ? service->role : JH_ROLE_ANY);
	*ret = q;
	return 0;
}

bool jh_question_is_login(const struct jh_question *question)
{
	return strcmp(question->app, "sshd") == 0 || strcmp(question->app, "login") == 0;
}

bool jh_question_is_final(const struct jh_question *question)
{
	return strcmp(question->app, "polkit") == 0;
}

int64_t jh_question_deadline(int64_t now_ms, uint32_t wait_s, int64_t timeout_s)
{
	int64_t left_s = wait_s > AHEAD_S ? (int64_t)wait_s - AHEAD_S : 1;

	return now_ms + (left_s < timeout_s ? left_s : timeout_s) * 1000;
}

const char *jh_role_words(const char *role, char buf[static JH_ROLE_WORDS])
{
	if (strcmp(role, JH_ROLE_ANY) == 0)
		snprintf(buf, JH_ROLE_WORDS, "the role that fits");
	else
		snprintf(buf, JH_ROLE_WORDS, "role %s", role);
	return buf;
}
