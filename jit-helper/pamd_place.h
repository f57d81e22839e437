/*
 * Where our lines go in a service's file: account as late as nothing before it
 * can end the phase or jump over it, session first in sudo and last elsewhere.
 * Each place is tried, and judged by the doctor's walk over the whole stack.
 */
#ifndef JH_PAMD_PLACE_H
#define JH_PAMD_PLACE_H

#include "args.h"
#include "doctor_pam.h"

#define JH_PAMD_ARGS_MAX 32

/* What our lines say behind the module's name; the texts are the caller's. */
struct jh_pamd_wish {
	const char *words[JH_PAMD_ARGS_MAX];
	int count;
	struct pj_args args;
};

/*
 * The arguments of `service`'s lines: app=, root's exemption where the host needs
 * it, `observe`, and what was asked for. 0; -EINVAL with a sentence: the module
 * would not take them.
 */
int jh_pamd_wish(const char *service, bool observe, int argc, const char *const *argv, struct jh_pamd_wish *ret,
		 char *why, size_t why_size);

enum jh_pamd_placing {
	JH_PAMD_PLACED,
	JH_PAMD_INCLUDED, /* both lines come by a file that it includes: *ret_from, of `why_size` bytes in `why` */
	JH_PAMD_NOWHERE,  /* a sentence in `why` */
	JH_PAMD_NO_MEMORY,
};

/*
 * `text`: the service's file without marked lines. `from` gives every other file.
 * On JH_PAMD_PLACED the text with both lines, which the caller frees.
 */
enum jh_pamd_placing jh_pamd_place(const char *service, const char *text, size_t len, const struct jh_pamd_wish *wish,
				   const struct jd_pam_source *from, char **ret, size_t *ret_len, char *why,
				   size_t why_size);

/* Does libpam mean the service's own file by that name, or path? */
bool jh_pamd_is_file_of(const char *service, const char *name);

/* Files as from `base`, but for the service's own. For jd_pam_source.arg. */
struct jh_pamd_overlay {
	const char *service;
	const char *text;
	size_t len;
	const struct jd_pam_source *base;
};
int jh_pamd_overlay_open(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path);

#endif
