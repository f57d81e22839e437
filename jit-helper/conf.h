/*
 * jit-helper.conf(5): read strictly, every error told. The
 * API key's file is only named here; its content is read by the broker client.
 */
#ifndef JH_CONF_H
#define JH_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "inifile.h"

#define JH_CONF_FILE "/etc/pam-jit/jit-helper.conf"

#define JH_BROKERS_MAX	   4
#define JH_WARNINGS_MAX	   8
#define JH_END_GRACE_MAX_S 60

/* What a service answers where no person can be asked (cron, systemd --user). */
enum jh_unattended {
	JH_UNATTENDED_NO,	/* there is a person */
	JH_UNATTENDED_DENY,	/* refused at once */
	JH_UNATTENDED_EXISTING, /* a live grant counts, nobody is asked */
};

/* [service NAME]: what is asked of the broker for that PAM service. */
struct jh_service {
	LIST_ENTRY(jh_service) link;
	char *name;
	char *role;	    /* NULL: the broker's policy chooses, where neither module nor person named one */
	int64_t duration_s; /* asked */
	enum jh_unattended unattended;
	bool resume;	       /* sshd: a request outlives its connection, and the next one takes it up */
	int64_t silent_wait_s; /* how long to wait where nothing can be shown (publickey alone); 0: not at all */
};

/* [role NAME]: what the reference deployment (demo) must be told of a role. */
struct jh_role {
	TAILQ_ENTRY(jh_role) link;
	char *name;
	char *arn;
};

/* Who this host is to its broker (broker_auth). */
enum jh_auth {
	JH_AUTH_KEY,
	JH_AUTH_IAM,
	JH_AUTH_BOTH,
};

struct jh_conf {
	bool demo;		       /* broker_type: the reference deployment, where nobody approves (demo.h) */
	char *brokers[JH_BROKERS_MAX]; /* URLs without a slash at their end, in the order in which they are tried */
	size_t broker_count;
	char *api_key_file;
	enum jh_auth auth;
	char *region;	       /* of the signature, with IAM */
	char *imds_endpoint;   /* NULL: the instance's own */
	char *ca_file;	       /* NULL: the system's */
	char *tls_certificate; /* what this host shows to the broker, a PEM chain; NULL: nothing */
	char *tls_key;
	bool plain_loopback;
	char *user;
	char *pam_socket;
	char *session_socket;
	char *aws_credentials_file;
	int64_t timeout_s;	  /* longest wait for a decision */
	int64_t broker_timeout_s; /* of one call */
	unsigned ask_attempts;
	int64_t warnings_s[JH_WARNINGS_MAX]; /* before a grant's end, the earliest first */
	size_t warning_count;
	int64_t end_grace_s;	 /* between SIGHUP and SIGKILL, where a role says on_expiry = end */
	char *break_glass_group; /* NULL: nobody */
	int64_t break_glass_s;	 /* how long one lasts */
	bool keyless;		 /* elevations where there are no keyrings: recognised by descent */
	char *state_dir;	 /* what a restart must know, and a reboot must not */
	char *spool_dir;	 /* what the broker is still to be told, across reboots */
	LIST_HEAD(jh_service_list, jh_service) services;
	TAILQ_HEAD(jh_role_list, jh_role) roles; /* in the order of the file */
};

/* Returns the number of errors told through on_error; 0 and *ret, which the caller frees, when there were none.
 * Where there was no memory or no descriptor to read it with errno says so. */
int jh_conf_read(const char *path, jit_ini_error on_error, void *arg, struct jh_conf **ret);
/* The same over text in memory, for tests. */
int jh_conf_parse(const char *name, const char *text, jit_ini_error on_error, void *arg, struct jh_conf **ret);
void jh_conf_free(struct jh_conf *conf);

/* What a service without a section answers. */
enum jh_unattended jh_unattended_default(const char *service);
/* NULL when no section has that name. */
const struct jh_service *jh_conf_service(const struct jh_conf *conf, const char *name);
const struct jh_role *jh_conf_role(const struct jh_conf *conf, const char *name);

#endif
