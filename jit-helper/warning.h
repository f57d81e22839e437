/*
 * What is said on the terminals of a grant's elevations: how long it still
 * lasts, at the times that `warn` names, and why it is over.
 */
#ifndef JH_WARNING_H
#define JH_WARNING_H

#include "alarm.h"
#include "conf.h"

struct jh_grant;

struct jh_warning {
	struct jh_alarm alarm;
	size_t next; /* of conf's warnings: those before it have been given, or will not be */
};

/* Rules. Warnings are seconds before the end, the longest first. */

/* The first that a grant of that duration is given: one as long as the whole grant says nothing new. */
size_t jh_warning_first(const struct jh_conf *conf, int64_t duration_s);
/* The first that is still to come when so much is left; the ones before it are due. */
size_t jh_warning_after(const struct jh_conf *conf, size_t next, int64_t left_ms);

void jh_warning_init(struct jh_grant *grant);
/* The grant's clock has been started. */
void jh_warning_start(struct jh_grant *grant);
/* The end of a grant whose clock runs is known, or another than before. */
void jh_warning_arm(struct jh_grant *grant);
void jh_warning_stop(struct jh_grant *grant);
/* The grant is over, before its elevations are. */
void jh_warning_over(const struct jh_grant *grant, const char *why);

#endif
