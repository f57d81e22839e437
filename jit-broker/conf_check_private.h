/* What the files of conf_check.h share: the errors as they are found. */
#ifndef JB_CONF_CHECK_PRIVATE_H
#define JB_CONF_CHECK_PRIVATE_H

#include "conf.h"

struct check {
	const struct jb_conf *conf;
	void (*on_error)(void *arg, const char *message);
	void *arg;
	int errors;
};

__attribute__((format(printf, 3, 4))) void jb_check_tell(struct check *c, unsigned line, const char *format, ...);

/* Certificates of authorities, for a library: can that file be read, and be believed? NULL: there is none. */
void jb_check_file(struct check *c, const char *path, unsigned line, const char *key);

/* Where notifications go: [webhook], [mail], persons' addresses, the mail server. */
void jb_check_notify(struct check *c);

/* What goes through functions and workflows of AWS. */
void jb_check_workflow(struct check *c);

#endif
