/* `jit-helper pam enable`: every file is read and its new text made, all of them are judged together, then written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "doctor_examine.h"
#include "pamd.h"
#include "pamd_file.h"
#include "pamd_place.h"
#include "pamd_text.h"

struct job {
	const char *service;
	struct jh_pamd_file file; /* what stands there; where only the vendor has one, that */
	bool copied;		  /* it is the vendor's, and gets a copy in /etc/pam.d */
	bool was_marked;
	struct jh_pamd_wish wish;
	char *stripped, *made; /* without our lines; as it is to be. `made` NULL: refused */
	size_t stripped_len, made_len;
	bool refused;  /* and why was said */
	bool included; /* what it includes has our lines: none of its own */
	char note[JH_PAMD_WHY];
};

struct jobs {
	struct job *list;
	int count;
};

/* The host's files with what is to be written in their place. */
static int open_made(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	const struct jobs *jobs = arg;
	static const struct jd_pam_source host = {.open = jd_pam_open_host};

	for (int i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->list[i];
		struct jh_pamd_overlay overlay = {
			.service = job->service, .text = job->made, .len = job->made_len, .base = &host};

		if (job->made && jh_pamd_is_file_of(job->service, name))
			return jh_pamd_overlay_open(&overlay, name, ret_text, ret_len, ret_path);
	}
	return jd_pam_open_host(NULL, name, ret_text, ret_len, ret_path);
}

static void refuse(struct job *job, const char *why)
{
	fprintf(stderr, "%s: refused, and its file is as it was: %s\n", job->service, why);
	free(job->made);
	job->made = NULL;
	job->refused = true;
}

/* Lines that somebody else wrote are theirs to change. */
static bool is_free_of_others(struct job *job, const char *text, size_t len)
{
	struct jh_pamd_text t;
	char why[JH_PAMD_WHY] = "";

	if (jh_pamd_text_read(text, len, false, &t) < 0)
		return false;
	for (size_t i = 0; i < t.count && !why[0]; i++) {
		job->was_marked = job->was_marked || t.lines[i].marked;
		if (!t.lines[i].broken && (!t.lines[i].module || t.lines[i].marked))
			continue;
		snprintf(why, sizeof(why),
			 "line %u of %s names pam_jit.so and was written by hand: change it by hand, or take it out "
			 "and run this again",
			 t.lines[i].first, job->file.path);
	}
	jh_pamd_text_clear(&t);
	if (why[0])
		refuse(job, why);
	return !why[0];
}

/* 0; -ENOENT; -ENOMEM; -EINVAL: refused, and said so. */
static int begin(struct job *job)
{
	char path[256], why[JH_PAMD_WHY];
	int r;

	snprintf(path, sizeof(path), JH_PAMD_FOLDER "/%s", job->service);
	r = jh_pamd_file_read(path, &job->file, why);
	if (r == -ENOENT) {
		snprintf(path, sizeof(path), JH_PAMD_VENDOR "/%s", job->service);
		r = jh_pamd_file_read(path, &job->file, why);
		job->copied = r == 0;
	}
	if (r == -ENOENT)
		return r;
	if (r == 0 && !is_free_of_others(job, job->file.text, job->file.len))
		return -EINVAL;
	if (r < 0) {
		refuse(job, why);
		return -EINVAL;
	}
	if (!job->copied)
		return jh_pamd_text_strip(job->file.text, job->file.len, &job->stripped, &job->stripped_len);
	int n = asprintf(&job->stripped, JH_PAMD_COPIED "%s, which counts no longer while this file is here\n%s",
			 job->file.path, job->file.text);
	job->stripped_len = n > 0 ? (size_t)n : 0;
	return n < 0 ? -ENOMEM : 0;
}

/* 0 (also where it is refused) or -ENOMEM. */
static int make(struct job *job, const struct jobs *jobs)
{
	const struct jd_pam_source from = {.open = open_made, .arg = (void *)(uintptr_t)jobs};
	char *made = NULL;
	size_t len = 0;
	enum jh_pamd_placing placing = jh_pamd_place(job->service, job->stripped, job->stripped_len, &job->wish, &from,
						     &made, &len, job->note, sizeof(job->note));

	free(job->made);
	job->made = NULL;
	job->included = placing == JH_PAMD_INCLUDED;
	if (job->included) {
		made = strdup(job->stripped);
		len = job->stripped_len;
	}
	if (placing == JH_PAMD_NO_MEMORY || (placing != JH_PAMD_NOWHERE && !made))
		return -ENOMEM;
	job->made = made;
	job->made_len = len;
	return 0;
}

static bool is_refusal(const struct jd_finding *f, const struct job *job)
{
	static const char *const break_also_then[] = {"pam.broken", "module.missing", "module.foreign", "gate.args"};

	if (f->service[0] && strcmp(f->service, job->service) != 0)
		return false;
	for (size_t i = 0; i < sizeof(break_also_then) / sizeof(break_also_then[0]); i++)
		if (strcmp(f->code, break_also_then[i]) == 0)
			return f->severity >= JD_WARNING;
	if (job->wish.args.observe)
		return false;
	/* A door beside this one was open before, and is told of when this one is shut. */
	if (strcmp(f->code, "service.bypass") == 0)
		return false;
	return f->severity == JD_ERROR || (f->severity == JD_WARNING && strncmp(f->code, "lockout.", 8) == 0);
}

static void tell(FILE *to, const char *service, const char *verdict, const struct jd_finding *f)
{
	char line[16] = "";

	if (f->line)
		snprintf(line, sizeof(line), ":%u", f->line);
	fprintf(to, "%s: %s (%s): %s%s%s%s\n", service, verdict, f->code, f->file, line, f->file[0] ? ": " : "",
		f->what);
	if (f->fix[0])
		fprintf(to, "    -> %s\n", f->fix);
}

/* True where it may be written. */
static bool judge(struct job *job, const struct jd_report *report, const struct jd_services *services, bool force)
{
	bool good = true;

	if (!jd_services_find(services, job->service)) {
		refuse(job, "`jit doctor` cannot judge it: this host has more gated services than it looks at");
		return false;
	}
	for (const struct jd_finding *f = STAILQ_FIRST(&report->findings); f; f = STAILQ_NEXT(f, link)) {
		if (!is_refusal(f, job))
			continue;
		tell(stderr, job->service, force ? "forced over" : "refused, and its file is as it was", f);
		good = force;
	}
	if (!good) {
		free(job->made);
		job->made = NULL;
		job->refused = true;
	}
	return good;
}

static void tell_open_doors(const struct jobs *jobs, const struct jd_report *report)
{
	for (const struct jd_finding *f = STAILQ_FIRST(&report->findings); f; f = STAILQ_NEXT(f, link)) {
		bool written = false;

		for (int i = 0; i < jobs->count; i++)
			written = written || (jobs->list[i].made && !jobs->list[i].wish.args.observe);
		if (written && strcmp(f->code, "service.bypass") == 0)
			tell(stdout, f->service, "still open", f);
	}
}

static void print_lines(const struct job *job)
{
	struct jh_pamd_text t;

	if (jh_pamd_text_read(job->made, job->made_len, false, &t) < 0)
		return;
	for (size_t i = 0; i < t.count; i++)
		if (t.lines[i].marked)
			printf("    %s/%s:%u: %.*s\n", JH_PAMD_FOLDER, job->service, t.lines[i].first,
			       (int)strcspn(t.text + t.lines[i].from, "\n"), t.text + t.lines[i].from);
	jh_pamd_text_clear(&t);
}

static int write_out(const struct job *job, char *why)
{
	char before[256], path[256];
	int r = 0;

	snprintf(before, sizeof(before), JH_PAMD_BEFORE "/%s", job->service);
	snprintf(path, sizeof(path), JH_PAMD_FOLDER "/%s", job->service);
	if (!job->was_marked && !job->included)
		r = jh_pamd_file_make(before, job->file.text, job->file.len, job->file.st.st_mode, why);
	if (r < 0)
		return r;
	if (job->copied)
		return jh_pamd_file_make(path, job->made, job->made_len, job->file.st.st_mode, why);
	return jh_pamd_file_replace(&job->file, job->made, job->made_len, why);
}

/* False: it could not be written. */
static bool carry_out(const struct job *job, bool dry_run)
{
	const char *state = job->wish.args.observe ? "observed" : "gated";
	char why[JH_PAMD_WHY];
	bool same = job->copied
			    ? job->included
			    : job->made_len == job->file.len && memcmp(job->made, job->file.text, job->made_len) == 0;

	if (!same && !dry_run && write_out(job, why) < 0) {
		fprintf(stderr, "%s: failed: %s\n", job->service, why);
		return false;
	}
	if (job->included)
		printf("%s: %s by %s, which it includes; it needs no lines of its own\n", job->service, state,
		       job->note);
	else if (same)
		printf("%s: %s already, nothing was to be changed:\n", job->service, state);
	else if (dry_run)
		printf("%s: would be %s, by these lines; nothing was written:\n", job->service, state);
	else
		printf("%s: %s; the file from before is " JH_PAMD_BEFORE "/%s:\n", job->service, state, job->service);
	if (!job->included)
		print_lines(job);
	return true;
}

/* All texts, each seeing the others: su-l, which includes su, needs no lines where su gets its own. 0 or -ENOMEM. */
static int make_all(struct jobs *jobs)
{
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < jobs->count; i++)
			if (!jobs->list[i].refused && make(&jobs->list[i], jobs) < 0)
				return -ENOMEM;
	for (int i = 0; i < jobs->count; i++)
		if (!jobs->list[i].refused && !jobs->list[i].made)
			refuse(&jobs->list[i], jobs->list[i].note);
	return 0;
}

/* How many are refused that were not before, or -ENOMEM. */
static int judge_all(struct jobs *jobs, bool force, struct jd_report *report)
{
	const struct jd_pam_source from = {.open = open_made, .arg = jobs};
	struct jd_services services = {0};
	int refused = 0;

	if (jd_report_start(report, NULL) < 0 || jd_services_read(&from, &services) < 0 ||
	    jd_examine(report, &services) < 0 || report->no_memory)
		return -ENOMEM; /* the process ends, and its memory with it */
	for (int i = 0; i < jobs->count; i++)
		if (!jobs->list[i].refused && !judge(&jobs->list[i], report, &services, force))
			refused++;
	jd_services_free(&services);
	return refused;
}

/* How many are done, or -ENOMEM. Where one is refused, what the others lean on may have gone: they are made anew. */
static int judge_and_write(struct jobs *jobs, const struct jh_pamd_options *options)
{
	struct jd_report report;
	int refused, done = 0;

	while ((refused = make_all(jobs) < 0 ? -ENOMEM : judge_all(jobs, options->force, &report)) > 0)
		jd_report_free(&report);
	if (refused < 0)
		return refused;
	for (int i = 0; i < jobs->count; i++)
		if (!jobs->list[i].refused && carry_out(&jobs->list[i], options->dry_run))
			done++;
	tell_open_doors(jobs, &report);
	jd_report_free(&report);
	return done;
}

static void clear(struct jobs *jobs)
{
	for (int i = 0; i < jobs->count; i++) {
		jh_pamd_file_clear(&jobs->list[i].file);
		free(jobs->list[i].stripped);
		free(jobs->list[i].made);
	}
	free(jobs->list);
}

static enum jh_pamd_exit enable(struct jobs *jobs, const struct jh_pamd_options *options)
{
	char why[JH_PAMD_WHY];

	for (int i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->list[i];
		int r;

		job->service = options->services[i];
		if (jh_pamd_wish(job->service, options->observe, options->arg_count, options->args, &job->wish, why,
				 sizeof(why)) < 0) {
			const char *argument = strstr(why, "the argument"); /* of a line that stands nowhere yet */

			fprintf(stderr, "jit-helper pam: %s\n", argument ? argument : why);
			return JH_PAMD_USAGE;
		}
		r = begin(job);
		if (r == -ENOENT)
			return jh_pamd_no_service(job->service);
		if (r == -ENOMEM)
			goto no_memory;
	}
	int done = judge_and_write(jobs, options);
	if (done < 0)
		goto no_memory;
	if (done && !options->dry_run)
		printf("Next: jit doctor%s%s; then try it in a second terminal, and keep this one open meanwhile.\n",
		       jobs->count == 1 ? " --service " : "", jobs->count == 1 ? jobs->list[0].service : "");
	return done == jobs->count ? JH_PAMD_DONE : JH_PAMD_REFUSED;
no_memory:
	fputs("jit-helper pam: out of memory, nothing was changed\n", stderr);
	return JH_PAMD_REFUSED;
}

enum jh_pamd_exit jh_pamd_enable(const struct jh_pamd_options *options)
{
	struct jobs jobs = {.list = calloc((size_t)options->count, sizeof(*jobs.list)), .count = options->count};

	if (!jobs.list)
		return JH_PAMD_REFUSED;
	enum jh_pamd_exit status = enable(&jobs, options);
	clear(&jobs);
	return status;
}
