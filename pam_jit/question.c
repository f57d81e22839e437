/* See question.h. */
#include "question.h"

#include "proto.h"
#include "talk.h"

#include <string.h>

static void put_text(struct jit_frame *f, enum jit_tag tag, const char *text)
{
	jit_frame_put_str(f, (uint8_t)tag, *text ? text : NULL);
}

/* The protocol's word for it. */
static enum pj_app behaves_as(enum pj_app app)
{
	/* A daemon of any name that logs people in is none of their login sessions, which its own must not pass for. */
	return app == PJ_OTHER && pj_who_is_login(PJ_OTHER) ? PJ_LOGIN : app;
}

static void put_who(struct jit_frame *f, const struct pj_args *args, const struct pj_who *who)
{
	put_text(f, JIT_T_SERVICE, who->service);
	put_text(f, JIT_T_APP, pj_app_name(behaves_as(args->app)));
	put_text(f, JIT_T_REQUESTER, who->requester);
	jit_frame_put_u32(f, JIT_T_UID, who->uid);
	put_text(f, JIT_T_TARGET, who->target);
	put_text(f, JIT_T_TTY, who->tty);
	put_text(f, JIT_T_RHOST, who->rhost);
	put_text(f, JIT_T_ROLE, args->role ? args->role : who->role);
}

static void put_request(struct jit_frame *f, pam_handle_t *pamh, const struct pj_who *who)
{
	put_text(f, JIT_T_COMMAND, who->command);
	put_text(f, JIT_T_CWD, who->cwd);
	put_text(f, JIT_T_REASON, who->reason);
	put_text(f, JIT_T_TICKET, who->ticket);
	jit_frame_put_u32(f, JIT_T_CAN_ASK, pj_talk_can_ask(pamh) ? 1 : 0);
}

void pj_question_build(pam_handle_t *pamh, enum pj_phase phase, const struct pj_args *args, const struct pj_who *who,
		       const struct pj_terms *terms, struct jit_frame *ret)
{
	jit_frame_start(ret, phase == PJ_ACCOUNT ? JIT_F_ELEVATE : JIT_F_OPEN);
	put_who(ret, args, who);
	if (phase == PJ_ACCOUNT) {
		put_request(ret, pamh, who);
		jit_frame_put_u32(ret, JIT_T_LIVE, terms->live ? 1 : 0);
		if (who->wants_glass)
			jit_frame_put_u32(ret, JIT_T_GLASS, 1);
		if (args->observe)
			jit_frame_put_u32(ret, JIT_T_OBSERVE, 1);
	} else {
		const char *grant = pam_getenv(pamh, JIT_GRANT_ENV);

		put_text(ret, JIT_T_GRANT, grant && strlen(grant) < JIT_ID_SIZE ? grant : "");
	}
	jit_frame_put_u32(ret, JIT_T_WAIT, terms->wait_s);
}
