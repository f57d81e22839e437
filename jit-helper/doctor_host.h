/* What the kernel and the host give or do not give: keyrings, audit sessions, Yama, Landlock and seccomp, SELinux,
 * pidfds, the helper's sockets. */
#ifndef JD_HOST_H
#define JD_HOST_H

#include "doctor_probe.h"
#include "doctor_report.h"

/* `gated`: a service's gate depends on it. Facts go into report->host too. */
void jd_host_look(struct jd_report *report, bool gated, const struct jd_probe *probe);

#endif
