/* See doctor_examine.h. */
#include "doctor_examine.h"

#include <unistd.h>

#include "doctor_host.h"

static void say_what_is_not_seen(struct jd_report *report)
{
	struct jd_finding *f = jd_find(report, JD_WARNING, "doctor.not_root", NULL, NULL, 0);

	report->blind = true;
	jd_what(f,
		"Not run as root: sudoers, sshd's configuration, the API key, the brokers and the helper's socket were "
		"not looked at.");
	jd_fix(f, "Run: sudo jit doctor");
}

/* What root alone can see. */
static void look_closer(struct jd_report *report, const struct jd_services *services, struct jd_knowledge *known)
{
	bool gated = jd_services_gated(services, NULL);

	jd_probe_look(report, gated, &known->probe);
	jd_sudo_look(report, jd_services_gated(services, "sudo"), &known->sudo);
	jd_ssh_look(report, jd_services_find(services, "sshd"), known->probe.timeout_s, &known->ssh);
	jd_host_look(report, gated, &known->probe);
}

static int judge_stacks(struct jd_report *report, const struct jd_services *services)
{
	for (size_t i = 0; i < services->count; i++)
		if (jd_stack_judge(report, services->list[i]) < 0)
			return -1;
	return 0;
}

int jd_examine(struct jd_report *report, const struct jd_services *services)
{
	struct jd_knowledge known = {0};
	struct jd_finding *f;

	if (report->only && !jd_services_find(services, report->only)) {
		f = jd_find(report, JD_WARNING, "service.unknown", report->only, NULL, 0);
		jd_what(f, "No such service has a gate or is a door of this host.");
		report->blind = true;
	}
	if (judge_stacks(report, services) < 0)
		return -1;
	if (geteuid() == 0)
		look_closer(report, services, &known);
	else
		say_what_is_not_seen(report);
	jd_services_judge(report, services, &known);
	for (size_t i = 0; i < services->count; i++)
		jd_door_tell(report, services->list[i], &known);
	jd_probe_clear(&known.probe);
	return 0;
}
