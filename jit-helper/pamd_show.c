/* `jit-helper pam show`: where lines of ours stand, and by whom they were written. It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "doctor_service.h"
#include "pamd.h"
#include "pamd_file.h"
#include "pamd_text.h"

bool jh_pamd_is_written_by_us(const char *path, unsigned number)
{
	char why[JH_PAMD_WHY];
	struct jh_pamd_file file;
	struct jh_pamd_text text;
	bool marked = false;

	if (jh_pamd_file_read(path, &file, why) < 0)
		return false;
	if (jh_pamd_text_read(file.text, file.len, false, &text) == 0) {
		for (size_t i = 0; i < text.count; i++)
			marked = marked || (text.lines[i].last == number && text.lines[i].marked);
		jh_pamd_text_clear(&text);
	}
	jh_pamd_file_clear(&file);
	return marked;
}

static const char *state_of(const struct jd_service *s)
{
	if (!jd_service_gated(s))
		return "none";
	if (!s->args_good || !s->account || !s->session)
		return "broken";
	return s->args.observe ? "observe" : jd_service_spared(s) ? "spared" : "gate";
}

static void show(const struct jd_service *s)
{
	const struct jd_pam_line *const ours[] = {s->auth, s->account, s->session};
	const char *state = state_of(s);

	if (strcmp(state, "none") == 0)
		printf("%-14s %-8s %-11s %s\n", s->name, state, "-", jd_service_file(s));
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i])
			printf("%-14s %-8s %-11s %s:%u (%s)\n", s->name, state,
			       jh_pamd_is_written_by_us(ours[i]->file, ours[i]->line) ? "jit-helper" : "by hand",
			       ours[i]->file, ours[i]->line, jd_pam_phase_name(ours[i]->phase));
}

static const struct jd_pam_source host = {.open = jd_pam_open_host};

static enum jh_pamd_exit show_one(const char *name)
{
	struct jd_pam_stack *stack;
	struct jd_service *s;

	if (jd_pam_read(name, host.open, host.arg, &stack) < 0 || jd_service_new(name, stack, &s) < 0) {
		fputs("jit-helper pam: out of memory\n", stderr);
		return JH_PAMD_REFUSED;
	}
	enum jh_pamd_exit status = s->stack->missing ? jh_pamd_no_service(name) : JH_PAMD_DONE;
	if (status == JH_PAMD_DONE)
		show(s);
	jd_service_free(s);
	return status;
}

static enum jh_pamd_exit show_all(void)
{
	struct jd_services services;

	if (jd_services_read(&host, &services) < 0) {
		fputs("jit-helper pam: out of memory\n", stderr);
		return JH_PAMD_REFUSED;
	}
	for (size_t i = 0; i < services.count; i++)
		show(services.list[i]);
	jd_services_free(&services);
	return JH_PAMD_DONE;
}

enum jh_pamd_exit jh_pamd_show(const struct jh_pamd_options *options)
{
	enum jh_pamd_exit status = JH_PAMD_DONE;

	printf("%-14s %-8s %-11s %s\n", "SERVICE", "STATE", "WRITTEN BY", "WHERE");
	if (!options->count)
		return show_all();
	for (int i = 0; i < options->count; i++) {
		enum jh_pamd_exit one = show_one(options->services[i]);
		status = one > status ? one : status;
	}
	return status;
}
