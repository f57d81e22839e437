/* What has to stand in the place of a line of ours that goes, so that nothing else of its stack comes to mean another.
 */
#ifndef JH_PAMD_NEED_H
#define JH_PAMD_NEED_H

#include <sys/stat.h>

#include "pamd_files.h"
#include "pamd_text.h"

/* COUNTED: a jump counts it. CONSENT: without its success nobody gets in any more, as where pam_deny stands behind it.
 */
enum jh_pamd_need { JH_PAMD_NOTHING, JH_PAMD_COUNTED, JH_PAMD_CONSENT };

/* By the stacks of all `files`; `st` is of the file that the line stands in. */
enum jh_pamd_need jh_pamd_need(const struct jh_pamd_files *files, const struct stat *st,
			       const struct jh_pamd_line *line);

#endif
