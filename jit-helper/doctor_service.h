/*
 * The services of this host that a person can become somebody by: which of them
 * are gated, which one leads around another, and what happens at each door.
 */
#ifndef JD_SERVICE_H
#define JD_SERVICE_H

#include "doctor_probe.h"
#include "doctor_ssh.h"
#include "doctor_stack.h"
#include "doctor_sudo.h"

#define JD_SERVICES_MAX 64

struct jd_services {
	struct jd_service *list[JD_SERVICES_MAX];
	size_t count;
};

/* What is known beside the stacks. */
struct jd_knowledge {
	struct jd_sudo sudo;
	struct jd_ssh ssh;
	struct jd_probe probe;
};

/* False for what a package manager or an editor left behind, and for files that are only included. */
bool jd_service_is_name(const char *name);
/* Every service of /etc/pam.d and /usr/lib/pam.d that has our line, and those that matter without one. 0 or -ENOMEM. */
int jd_services_read(const struct jd_pam_source *from, struct jd_services *ret);
void jd_services_free(struct jd_services *services);
struct jd_service *jd_services_find(const struct jd_services *services, const char *name);
/* Is any of them (`name` NULL), or that one, gated, and neither observed alone nor spared? */
bool jd_services_gated(const struct jd_services *services, const char *name);

/* Doors without a gate beside doors with one, missing sections, ways to lock oneself out. */
void jd_services_judge(struct jd_report *report, const struct jd_services *services, const struct jd_knowledge *known);

/* The table of a service. */
void jd_door_tell(struct jd_report *report, const struct jd_service *service, const struct jd_knowledge *known);

#endif
