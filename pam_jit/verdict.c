/* See verdict.h. */
#include "verdict.h"

#include <security/pam_modules.h>

/*
 * Faults of this host. sudo 1.9.13 prints PAM_SYSTEM_ERR as "Unknown error -1";
 * PAM_SERVICE_ERR refuses just the same and reads "Error in service module".
 */
static int fault_code(enum pj_app app)
{
	return app == PJ_SUDO ? PAM_SERVICE_ERR : PAM_SYSTEM_ERR;
}

/*
 * Never PAM_SESSION_ERR: sudo runs the command all the same. Never one of the
 * codes for a password or account that has expired: sudo and sshd would ask for
 * a new password.
 */
int pj_verdict_code(uint32_t outcome, enum pj_phase phase, enum pj_app app)
{
	switch (outcome) {
	case JIT_ALLOW:
		return PAM_SUCCESS;
	case JIT_IGNORE:
		return PAM_IGNORE;
	case JIT_DENIED:
	case JIT_TIMED_OUT:
	case JIT_CANCELLED:
	case JIT_LATER:
		return PAM_PERM_DENIED;
	case JIT_UNAVAILABLE:
		return phase == PJ_ACCOUNT ? PAM_AUTHINFO_UNAVAIL : fault_code(app);
	default:
		return fault_code(app);
	}
}

const char *pj_verdict_sentence(uint32_t outcome)
{
	switch (outcome) {
	case JIT_ALLOW:
		return "allowed";
	case JIT_IGNORE:
		return "not asked";
	case JIT_DENIED:
		return "the request was denied";
	case JIT_TIMED_OUT:
		return "nobody decided in time; ask again";
	case JIT_CANCELLED:
		return "the request was cancelled and nothing was granted";
	case JIT_LATER:
		return "the request waits for approval; come back once it is approved";
	case JIT_UNAVAILABLE:
		return "no decision could be had; try again, or tell this host's operator";
	default:
		return "this module and jit-helper do not understand each other; tell this host's operator";
	}
}

const char *pj_verdict_word(uint32_t outcome)
{
	switch (outcome) {
	case JIT_ALLOW:
		return "allowed";
	case JIT_IGNORE:
		return "not gated";
	case JIT_DENIED:
		return "denied";
	case JIT_TIMED_OUT:
		return "timed out";
	case JIT_CANCELLED:
		return "cancelled";
	case JIT_LATER:
		return "told to come back";
	case JIT_UNAVAILABLE:
		return "unavailable";
	case PJ_BROKEN:
		return "broken";
	default:
		return "invalid";
	}
}
