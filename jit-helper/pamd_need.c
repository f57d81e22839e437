/* See pamd_need.h. */
#include "pamd_need.h"

#include "doctor_module.h"
#include "doctor_walk.h"

static bool is_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Gone, our lines answer nothing. Where nothing else stands in the phase, libpam takes that of `other`. */
static bool needs_consent(struct jd_pam_stack *stack, enum jd_phase phase)
{
	bool others = false;

	if (jd_walk_nominal(stack, phase, PAM_SUCCESS) != PAM_SUCCESS)
		return false;
	for (size_t i = 0; i < stack->count; i++) {
		struct jd_pam_line *l = &stack->lines[i];

		if (l->phase == phase && jd_is_ours(l) && jd_module_is_ours(l->module))
			for (int code = 0; code < JD_PAM_CODES; code++)
				l->actions[code] = JD_IGNORE;
		else
			others = others || l->phase == phase;
	}
	return others && jd_walk_nominal(stack, phase, PAM_SUCCESS) != PAM_SUCCESS;
}

static enum jh_pamd_need need_in(struct jd_pam_stack *stack, const struct stat *st, const struct jh_pamd_line *line)
{
	bool stands = false, counted = false;

	for (size_t i = 0; i < stack->count; i++) {
		const struct jd_pam_line *l = &stack->lines[i];

		if (l->line != line->last || l->phase != line->phase || !jd_is_ours(l) || !is_file(l->file, st))
			continue;
		stands = true;
		counted = counted || jd_walk_leapt(stack, l);
	}
	/*
	 * Without a line that we wrote the service is as it was before. In auth, success would be a login without a
	 * password: there a denial stays one.
	 */
	bool may_consent = !line->marked && (line->phase == JD_ACCOUNT || line->phase == JD_SESSION);
	if (stands && may_consent && needs_consent(stack, line->phase))
		return JH_PAMD_CONSENT;
	return counted ? JH_PAMD_COUNTED : JH_PAMD_NOTHING;
}

enum jh_pamd_need jh_pamd_need(const struct jh_pamd_files *files, const struct stat *st,
			       const struct jh_pamd_line *line)
{
	enum jh_pamd_need need = JH_PAMD_NOTHING;

	for (size_t i = 0; i < files->count && line->phase != JD_PHASES; i++) {
		struct jd_pam_stack *stack;

		if (jd_pam_read(files->list[i], jd_pam_open_host, NULL, &stack) < 0)
			continue;
		enum jh_pamd_need here = need_in(stack, st, line);
		need = here > need ? here : need;
		jd_pam_free(stack);
	}
	return need;
}
