/*
 * jit-helper.conf (docs/configuration.md): read strictly, every error told. The
 * API key's file is only named here; its content is read by the broker client.
 */
#ifndef JH_CONF_H
#define JH_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "inifile.h"

#define JH_CONF_FILE "/etc/pam-jit/jit-helper.conf"

/* [service NAME]: what is asked of the broker for that PAM service. */
struct jh_service {
	LIST_ENTRY(jh_service) link;
	char *name;
	char *role;	    /* NULL: the module's role= must name it */
	int64_t duration_s; /* asked */
};

struct jh_conf {
	char *broker; /* URL without a slash at its end */
	char *api_key_file;
	char *ca_file; /* NULL: the system's */
	bool plain_loopback;
	char *user;
	char *pam_socket;
	char *session_socket;
	char *aws_credentials_file;
	int64_t timeout_s;	  /* longest wait for a decision */
	int64_t broker_timeout_s; /* of one call */
	unsigned ask_attempts;
	LIST_HEAD(jh_service_list, jh_service) services;
};

/* Returns the number of errors told through on_error; 0 and *ret, which the caller frees, when there were none. */
int jh_conf_read(const char *path, jit_ini_error on_error, void *arg, struct jh_conf **ret);
/* The same over text in memory, for tests. */
int jh_conf_parse(const char *name, const char *text, jit_ini_error on_error, void *arg, struct jh_conf **ret);
void jh_conf_free(struct jh_conf *conf);

/* NULL when no section has that name. */
const struct jh_service *jh_conf_service(const struct jh_conf *conf, const char *name);

#endif
