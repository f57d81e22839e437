/* Our module where libpam looks for modules. Another project has a pam_jit.so too: a name alone does not make it ours.
 */
#ifndef JD_MODULE_H
#define JD_MODULE_H

#include <stdbool.h>
#include <stddef.h>

/* The first pam_jit.so that lies where libpam looks, whoever's it is. */
bool jd_module_find(char *buf, size_t size);

/*
 * Does a line that names `module`, a pam_jit.so, mean ours? Yes without a folder
 * or with libpam's own, unless another project's file lies there. A file that is
 * gone was ours.
 */
bool jd_module_is_ours(const char *module);

#endif
