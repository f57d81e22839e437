/* See pam_side.h. */
#include "pam_side.h"

#include <stdio.h>
#include <string.h>

#include "elevation.h"
#include "helper.h"
#include "log.h"
#include "saved.h"
#include "visit.h"

#define CONNECTIONS_MAX 1200 /* each elevated session is one */
#define SHARED_MAX	1000 /* of them for whoever comes; the rest is kept for requesters who have few */
#define REQUESTER_MAX	64   /* connections of one requester */
#define FEW		4

_Static_assert(CONNECTIONS_MAX <= JH_SAVED_LIST_MAX, "a restart must read them all");

static int send_out(struct jh_peer *peer)
{
	return jit_frame_send(peer->fd, peer->helper->out);
}

int jh_send_say(struct jh_peer *peer, const char *text)
{
	jit_frame_start(peer->helper->out, JIT_F_SAY);
	jit_frame_put_str(peer->helper->out, JIT_T_TEXT, text);
	jit_frame_put_u32(peer->helper->out, JIT_T_SEVERITY, 0);
	return send_out(peer);
}

int jh_send_ask(struct jh_peer *peer, const char *text)
{
	jit_frame_start(peer->helper->out, JIT_F_ASK);
	jit_frame_put_str(peer->helper->out, JIT_T_TEXT, text);
	jit_frame_put_u32(peer->helper->out, JIT_T_ECHO, 1);
	return send_out(peer);
}

int jh_send_wait(struct jh_peer *peer, const char *text, int64_t left_ms)
{
	jit_frame_start(peer->helper->out, JIT_F_WAIT);
	jit_frame_put_str(peer->helper->out, JIT_T_TEXT, text);
	jit_frame_put_u32(peer->helper->out, JIT_T_REMAINING, left_ms > 0 ? (uint32_t)((left_ms + 999) / 1000) : 0);
	return send_out(peer);
}

int jh_send_allow(struct jh_peer *peer, const char *id)
{
	jit_frame_start(peer->helper->out, JIT_F_VERDICT);
	jit_frame_put_u32(peer->helper->out, JIT_T_OUTCOME, JIT_ALLOW);
	jit_frame_put_str(peer->helper->out, JIT_T_GRANT, id);
	return send_out(peer);
}

int jh_send_verdict(struct jh_peer *peer, enum jit_outcome outcome, const char *text)
{
	jit_frame_start(peer->helper->out, JIT_F_VERDICT);
	jit_frame_put_u32(peer->helper->out, JIT_T_OUTCOME, outcome);
	jit_frame_put_str(peer->helper->out, JIT_T_TEXT, text);
	return send_out(peer);
}

static void refuse(struct jh_peer *peer, bool senseless, const char *sentence)
{
	jit_log(LOG_WARNING, "pam.sock, uid %u: %s", (unsigned)peer->uid, sentence);
	jh_send_verdict(peer, senseless ? JIT_INVALID : JIT_UNAVAILABLE, sentence);
}

static void refuse_question(struct jh_peer *peer, const struct jit_frame *frame, enum jit_outcome outcome,
			    const char *sentence)
{
	char would[JIT_LINE_SIZE];
	uint32_t observe = 0;

	jit_log(LOG_WARNING, "pam.sock: %s", sentence);
	snprintf(would, sizeof(would), "would be refused: %.480s", sentence);
	if (jit_frame_get_u32(frame, JIT_T_OBSERVE, &observe) == 0 && observe == 1)
		jh_send_verdict(peer, JIT_IGNORE, would);
	else
		jh_send_verdict(peer, outcome, sentence);
	jh_peer_close(peer);
}

/* Some users together, each with as many as one may have, leave room for the others. NULL: it may stay. */
static const char *too_many(const struct jh_peer *peer)
{
	const unsigned theirs = jh_peers_of(peer, peer->requester);

	if (theirs > REQUESTER_MAX)
		return "you have too many privileged sessions open at a time; close one and try again";
	if (theirs > FEW && jh_peers_heard(peer) > SHARED_MAX)
		return "so many privileged sessions are open on this host that nobody may have more than a few; close "
		       "one of yours and try again";
	return NULL;
}

static void first_frame(struct jh_peer *peer, const struct jit_frame *frame)
{
	struct jh_question question;
	char why[JIT_LINE_SIZE];
	uint8_t type = jit_frame_type(frame);

	if (type != JIT_F_ELEVATE && type != JIT_F_OPEN) {
		refuse_question(peer, frame, JIT_INVALID,
				"the PAM module must begin with a question: install the same "
				"version of module and helper");
		return;
	}
	if (jh_question_read(frame, peer->helper->conf, &question, why, sizeof(why)) < 0) {
		refuse_question(peer, frame, JIT_INVALID, why);
		return;
	}
	memcpy(peer->requester, question.requester, sizeof(peer->requester));
	const char *refusal = too_many(peer);
	if (refusal) {
		refuse_question(peer, frame, JIT_UNAVAILABLE, refusal);
		return;
	}
	if (type == JIT_F_ELEVATE)
		jh_visit_begin(peer, &question);
	else
		jh_elevation_begin(peer, &question);
}

static const struct jh_peer_owner nobody = {.frame = first_frame};

struct jh_listener *jh_pam_side_new(struct jh_helper *helper, int fd)
{
	const struct jh_listener_options options = {
		.first = &nobody, .refuse = refuse, .max = CONNECTIONS_MAX, .root_only = true, .descriptors = true};

	return jh_listener_new(helper, fd, &options);
}
