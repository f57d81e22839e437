/*
 * `jit doctor`: looks at this host as it stands, says what is wrong with the
 * gate, what to do about it, and what happens at each door. It changes nothing.
 * See jit(1).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor_examine.h"
#include "doctor_report.h"
#include "jit.h"
#include "jit_page.h"
#include "text.h"

/* Its own statuses, for configuration management; above jit's others but for the first. */
enum doctor_exit { SOUND = 0, WARNINGS = 1, ERRORS = 2, WRONG_USAGE = 64, NOT_LOOKED = 69 };

enum { OPTION_SERVICE = JIT_OPTION_OWN };

static const char *read_options(const struct jit_command *self, int argc, char **argv, bool *ret_json, int *ret_status)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, JIT_OPTION_HELP},
		{"json", no_argument, NULL, JIT_OPTION_JSON},
		{"service", required_argument, NULL, OPTION_SERVICE},
		{0},
	};
	const char *service = NULL;
	enum jit_exit status;
	int option;

	*ret_status = -1;
	while ((option = jit_option(self, argc, argv, options, &status)) != -1) {
		if (option == JIT_OPTION_JSON) {
			*ret_json = true;
		} else if (option == OPTION_SERVICE) {
			service = optarg;
		} else {
			*ret_status = status == JIT_EXIT_OK ? SOUND : WRONG_USAGE;
			return NULL;
		}
	}
	if (optind < argc) {
		jit_usage(self, "%s is one word too many", argv[optind]);
		*ret_status = WRONG_USAGE;
	}
	return service;
}

static enum doctor_exit conclude(const struct jd_report *report)
{
	if (report->count[JD_ERROR])
		return ERRORS;
	if (report->blind)
		return NOT_LOOKED;
	return report->count[JD_WARNING] ? WARNINGS : SOUND;
}

static enum jit_exit run_doctor(const struct jit_command *self, int argc, char **argv)
{
	const struct jd_pam_source files = {.open = jd_pam_open_host};
	struct jd_services services;
	struct jd_report report;
	char name[256] = "this host", host[256];
	bool json = false;
	int status;
	const char *service = read_options(self, argc, argv, &json, &status);

	if (status >= 0)
		return (enum jit_exit)status;
	if (jd_report_start(&report, service) < 0 || jd_services_read(&files, &services) < 0 ||
	    jd_examine(&report, &services) < 0 || report.no_memory)
		goto no_memory;
	gethostname(name, sizeof(name) - 1);
	jit_text_clean_str(host, sizeof(host), name);
	if (!json)
		jd_print_text(&report, host, jit_page_of_stdout().colour);
	else if (jd_print_json(&report) < 0)
		goto no_memory;
	status = (int)conclude(&report);
	jd_services_free(&services);
	jd_report_free(&report);
	return (enum jit_exit)status;
no_memory: /* the process ends here, and its memory with it */
	fputs("jit doctor: out of memory\n", stderr);
	return (enum jit_exit)NOT_LOOKED;
}

const struct jit_command jit_command_doctor = {
	.name = "doctor",
	.synopsis = "[--json] [--service NAME]",
	.summary = "What is wrong with this host's gate; what happens at each door",
	.details = "  --json          one JSON document: findings, services, host\n"
		   "  --service NAME  that PAM service, and the host, alone\n\n"
		   "Run it as root. It changes nothing.\n"
		   "Exit status: 0 nothing above a note, 1 warnings, 2 errors (the gate is open, or\n"
		   "everybody is locked out), 64 wrong usage, 69 it could not look at everything.\n",
	.run = run_doctor,
};
