/* What `jit-helper --probe` says, and the judgement of it: configuration, key, CA, brokers, clock. */
#ifndef JD_PROBE_H
#define JD_PROBE_H

#include "doctor_report.h"

struct jd_probe {
	struct json_object *document; /* NULL: the helper could not be asked */
	bool conf_good;
	long timeout_s;	   /* [helper] timeout; 0: not known */
	const char *user;  /* "_jit" where not known; belongs to the document */
	const char *glass; /* break_glass_group, or "" */
	const char *pam_socket, *session_socket;
	bool keyring_needed; /* without_keyring = refuse */
};

/* `gated`: some service's gate depends on the helper. The caller releases it. */
void jd_probe_look(struct jd_report *report, bool gated, struct jd_probe *ret);
/* The judgement of a document, which is taken over; pure, for tests. */
void jd_probe_judge(struct jd_report *report, bool gated, struct json_object *document, struct jd_probe *ret);
void jd_probe_clear(struct jd_probe *probe);

/* [service NAME] of the configuration, or NULL. */
struct json_object *jd_probe_service(const struct jd_probe *probe, const char *name);

#endif
