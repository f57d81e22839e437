/* All that the doctor looks at, in order: the stacks, and what of the host decides over them. It changes nothing. */
#ifndef JD_EXAMINE_H
#define JD_EXAMINE_H

#include "doctor_report.h"
#include "doctor_service.h"

/* Judges the services as they were read, from wherever, on this host. 0 or -1: out of memory. */
int jd_examine(struct jd_report *report, const struct jd_services *services);

#endif
