/*
 * jit-broker.conf, read into structures: what the file says, checked for sense, and
 * nothing about any one request (that is policy.h). Every key stands in
 * jit-broker.conf(5).
 */
#ifndef JB_CONF_H
#define JB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hours.h"
#include "plan.h"
#include "source.h"

/* Every key of the file: an index for the lines on which they stand. */
enum jb_key {
	/* [broker] */
	JB_KEY_LISTEN,
	JB_KEY_TLS,
	JB_KEY_TLS_CERTIFICATE,
	JB_KEY_TLS_KEY,
	JB_KEY_TLS_CLIENT_CA,
	JB_KEY_STORE,
	JB_KEY_STORE_REGION,
	JB_KEY_STORE_ENDPOINT,
	JB_KEY_STORE_CREDENTIALS,
	JB_KEY_STORE_CA,
	JB_KEY_STORE_PLAIN_LOOPBACK,
	JB_KEY_ISSUER,
	JB_KEY_ISSUER_REGION,
	JB_KEY_ISSUER_CREDENTIALS,
	JB_KEY_ISSUER_CA,
	JB_KEY_ISSUER_PLAIN_LOOPBACK,
	JB_KEY_ISSUE_FUNCTION,
	JB_KEY_ISSUE_WORKFLOW,
	JB_KEY_ISSUE_ENDPOINT,
	JB_KEY_WORKFLOW,
	JB_KEY_WORKFLOW_ENDPOINT,
	JB_KEY_WORKFLOW_CREDENTIALS,
	JB_KEY_WORKFLOW_CA,
	JB_KEY_WORKFLOW_PLAIN_LOOPBACK,
	JB_KEY_RETENTION,
	JB_KEY_MAX_CONNECTIONS,
	JB_KEY_WAITING_PER_HOST,
	JB_KEY_WAITING_PER_REQUESTER,
	JB_KEY_SESSION_LIFETIME,
	JB_KEY_SESSION_IDLE,
	JB_KEY_PROXY_SOCKET,
	JB_KEY_PROXY_USER,
	JB_KEY_AUDITORS,
	JB_KEY_OIDC_ISSUER,
	JB_KEY_OIDC_CLIENT_ID,
	JB_KEY_OIDC_CLIENT_SECRET_FILE,
	JB_KEY_OIDC_REDIRECT,
	JB_KEY_OIDC_SCOPES,
	JB_KEY_OIDC_CA,
	JB_KEY_OIDC_PLAIN_LOOPBACK,
	JB_KEY_URL,
	JB_KEY_MAIL_SERVER,
	JB_KEY_MAIL_FROM,
	JB_KEY_MAIL_CREDENTIALS,
	JB_KEY_MAIL_CA,
	JB_KEY_MAIL_PLAIN_LOOPBACK,
	JB_KEY_NOTIFY_RETRY,
	JB_KEY_NOTIFY_RETRY_MAX,
	JB_KEY_NOTIFY_GIVE_UP,
	JB_KEY_SSM_PATH,
	JB_KEY_SSM_REGION,
	JB_KEY_SSM_ENDPOINT,
	JB_KEY_SSM_CREDENTIALS,
	JB_KEY_SSM_CA,
	JB_KEY_SSM_PLAIN_LOOPBACK,
	/* [role NAME] */
	JB_KEY_REGION,
	JB_KEY_ARN,
	JB_KEY_SESSION_POLICY,
	JB_KEY_EXTERNAL_ID,
	JB_KEY_SERVICES,
	JB_KEY_REQUESTERS,
	JB_KEY_HOSTS,
	JB_KEY_TARGETS,
	JB_KEY_APPROVERS,
	JB_KEY_APPROVALS,
	JB_KEY_MAX_DURATION,
	JB_KEY_CREDENTIAL_LIFETIME,
	JB_KEY_PENDING,
	JB_KEY_USE_WITHIN,
	JB_KEY_SCOPE,
	JB_KEY_ON_EXPIRY,
	JB_KEY_HOURS,
	JB_KEY_AUTO_APPROVE,
	JB_KEY_CODE,
	JB_KEY_REASON,
	JB_KEY_UNSEALED,
	JB_KEY_CHAINING,
	JB_KEY_TICKET,
	/* [group NAME] */
	JB_KEY_MEMBERS,
	/* [person NAME] */
	JB_KEY_UNIX,
	JB_KEY_OIDC,
	JB_KEY_SHARED,
	JB_KEY_REMOTE_USER,
	JB_KEY_MAIL,
	/* [host NAME] */
	JB_KEY_MAY_REQUEST_FOR,
	JB_KEY_SOURCE,
	JB_KEY_HOST_PLAN,
	JB_KEY_CLIENT_CERTIFICATE,
	/* [usage_plan NAME] */
	JB_KEY_RATE,
	JB_KEY_BURST,
	JB_KEY_QUOTA,
	JB_KEY_PLAN_PENDING,
	/* [webhook NAME] */
	JB_KEY_WEBHOOK_URL,
	JB_KEY_WEBHOOK_SECRET,
	JB_KEY_WEBHOOK_FORMAT,
	JB_KEY_WEBHOOK_CA,
	JB_KEY_WEBHOOK_PLAIN_LOOPBACK,
	JB_KEY_WEBHOOK_EVENTS,
	JB_KEY_WEBHOOK_ROLES,
	/* [mail NAME] */
	JB_KEY_MAIL_TO,
	JB_KEY_MAIL_EVENTS,
	JB_KEY_MAIL_ROLES,
	JB_KEY_COUNT,
};

/* Where a section stands and each of its keys; 0 for a key that is not written. First member of every section. */
struct jb_lines {
	unsigned section;
	unsigned key[JB_KEY_COUNT];
};

/* A list of words ("sudo sshd su", "@sre op1"); grows by repeated keys. */
struct jb_words {
	char **word;
	size_t count;
};

enum jb_auto { JB_AUTO_NEVER, JB_AUTO_SIMULATED, JB_AUTO_HOURS };
enum jb_scope { JB_SCOPE_SESSION, JB_SCOPE_USER };
enum jb_on_expiry { JB_EXPIRY_WARN, JB_EXPIRY_END };
enum jb_format { JB_FORMAT_JSON, JB_FORMAT_SLACK };

struct jb_role {
	struct jb_lines lines;
	char *name;
	char *region;		      /* AWS region for the host's tools; NULL: none */
	char *arn;		      /* NULL: privilege on the host alone, no AWS credentials */
	char *session_policy;	      /* JSON: the role's own session policy; NULL: allow everything the role may */
	char *external_id;	      /* NULL: none */
	struct jb_words services;     /* PAM services the grant is good for */
	struct jb_words requesters;   /* names and @groups */
	struct jb_words hosts;	      /* fnmatch(3) patterns */
	struct jb_words targets;      /* users that may be become; "*" any, "self" the requester */
	struct jb_words approvers;    /* names of persons and @groups */
	uint32_t approvals;	      /* distinct persons that must approve */
	uint32_t max_duration;	      /* seconds */
	uint32_t credential_lifetime; /* seconds */
	uint32_t pending;	      /* seconds a decision may take */
	uint32_t use_within;	      /* seconds an approval waits to be used */
	enum jb_scope scope;
	enum jb_on_expiry on_expiry;
	struct jb_hours hours; /* when it may be asked for and used; none: always */
	enum jb_auto auto_approve;
	struct jb_hours auto_hours; /* with JB_AUTO_HOURS: when the policy approves by itself */
	bool code_required;	    /* number matching */
	bool reason_required;
	bool unsealed_allowed; /* callers without a publicKey */
	bool chaining_allowed;
	char *ticket; /* POSIX extended regular expression; NULL: none asked */
};

struct jb_group {
	struct jb_lines lines;
	char *name;
	struct jb_words members;
};

/* Who somebody is to an identity provider: one claim of what it says about them. */
struct jb_oidc {
	char *issuer; /* https://login.example */
	char *claim;  /* "sub", or another that the provider vouches for */
	char *value;
};

/* The path under which the identity provider's answer is taken; oidc_redirect ends with it. */
#define JB_OIDC_ANSWER "/sign-in/oidc/answer"

/* A human being, however many names they have. */
struct jb_person {
	struct jb_lines lines;
	char *name;
	struct jb_words unix_names; /* the section's name where the key is absent */
	struct jb_oidc *oidc;	    /* may sign in as any of these */
	size_t oidc_count;
	struct jb_words remote_user; /* as whom a trusted proxy knows them; none: not at all */
	char *mail;		     /* address; NULL: not told by mail */
	bool shared;		     /* deploy, root: cannot request without a loginUser who is a person */
};

struct jb_host_conf {
	struct jb_lines lines;
	char *name;
	struct jb_words may_request_for; /* fnmatch patterns */
	struct jb_sources source;	 /* from where its key is good; none: from anywhere */
	char *usage_plan;		 /* NULL: JB_PLAN_DEFAULT */
	char *client_certificate;	 /* the dNSName of the certificate that its key wants beside it; NULL: none */
};

/* The plan of hosts that name none: [usage_plan default], or what stands for it where the file has none. */
#define JB_PLAN_DEFAULT "default"

struct jb_usage_plan {
	struct jb_lines lines;
	char *name;
	struct jb_plan_terms terms;
	uint32_t pending; /* most requests PENDING at once of a host; 0: waiting_per_host */
};

/* Of which requests a receiver is told; [webhook] and [mail] have it alike. */
struct jb_interest {
	struct jb_words events; /* names of enum jb_told; none: all */
	struct jb_words roles;	/* none: all */
};

struct jb_webhook {
	struct jb_lines lines;
	char *name;
	char *url;
	char *secret; /* file of what its messages are signed with, or "ssm:NAME" */
	char *ca;     /* PEM; NULL: the system's */
	enum jb_format format;
	bool plain_loopback; /* allow http:// to loopback */
	struct jb_interest interest;
};

struct jb_mail_list {
	struct jb_lines lines;
	char *name;
	struct jb_words to; /* addresses */
	struct jb_interest interest;
};

struct jb_conf {
	struct jb_lines lines; /* of [broker] */
	char *path;
	char hash[65];	      /* hex SHA-256 of the file */
	char *listen_address; /* numeric IPv4 or IPv6 */
	uint16_t listen_port;
	bool tls;			/* false only with a loopback listen address */
	char *tls_certificate;		/* PEM chain */
	char *tls_key;			/* PEM, not readable by others */
	char *tls_client_ca;		/* PEM: who vouches for hosts' certificates; NULL: nobody is asked for one */
	char *store;			/* "sqlite:/path", "dynamodb:TABLE" */
	char *store_region;		/* of a table: for SigV4, and its endpoint; default us-east-1 */
	char *store_endpoint;		/* "https://host[:port]"; NULL: the region's own */
	char *store_credentials;	/* file of access key and secret (shared credentials form); NULL: none */
	char *store_ca;			/* PEM; NULL: the system's */
	bool store_plain_loopback;	/* allow http:// to loopback (tests, a local table) */
	char *issuer;			/* "sts:https://…" or "demo" */
	char *issuer_region;		/* for SigV4; default us-east-1 */
	char *issuer_credentials;	/* file of access key and secret (shared credentials form), or "environment" */
	bool issuer_plain_loopback;	/* allow http:// to loopback (tests, a local STS) */
	char *issuer_ca;		/* PEM; NULL: the system's */
	char *issue_function;		/* name or ARN of the AssumeJITRole function; NULL: the issuer is asked here */
	char *issue_workflow;		/* ARN of the Express workflow, for callers without a key; NULL: none */
	char *issue_endpoint;		/* of both; NULL: the region's own */
	char *workflow;			/* ARN of the state machine that follows each request; NULL: none does */
	char *workflow_endpoint;	/* "https://host[:port]"; NULL: the region's own */
	char *workflow_credentials;	/* as issuer_credentials */
	char *workflow_ca;		/* PEM; NULL: the system's */
	bool workflow_plain_loopback;	/* allow http:// to loopback */
	uint32_t retention;		/* seconds a finished request is kept */
	uint32_t max_connections;	/* at once, of hosts and people */
	uint32_t waiting_per_host;	/* most requests PENDING at once under one host key */
	uint32_t waiting_per_requester; /* and of one requester on it */
	uint32_t session_lifetime;	/* seconds from a sign-in at the page to its end */
	uint32_t session_idle;		/* seconds without a use after which it ends earlier */
	char *proxy_socket;	  /* path of the Unix socket for a reverse proxy that signs people in; NULL: none */
	char *proxy_user;	  /* the account it runs as */
	struct jb_words auditors; /* names of persons and @groups: who reads the audit chain over the API */
	char *oidc_issuer;	  /* who people sign in with; NULL: nobody does so */
	char *oidc_client_id;	  /* our name there */
	char *oidc_client_secret_file; /* NULL: a public client */
	char *oidc_redirect;	       /* where the provider sends browsers back to */
	char *oidc_scopes;	       /* blank-separated; "openid" is one of them */
	char *oidc_ca;		       /* PEM; NULL: the system's */
	bool oidc_plain_loopback;      /* allow http:// to loopback */
	char *url;		       /* "https://jit.example": where people find the broker; NULL: no links */
	char *mail_server;	       /* "smtp://…", "smtps://…"; NULL: no mail */
	char *mail_from;	       /* address */
	char *mail_credentials;	       /* file of user and password, or "ssm:NAME"; NULL: none */
	char *mail_ca;		       /* PEM; NULL: the system's */
	bool mail_plain_loopback;      /* allow a server on loopback without TLS */
	uint32_t notify_retry;	       /* seconds after the first failed try of a notification */
	uint32_t notify_retry_max;     /* and between later ones at most */
	uint32_t notify_give_up;       /* seconds after which one is given up */
	char *ssm_path;		       /* of the parameters that "ssm:NAME" is below of; NULL: none */
	char *ssm_region;	       /* for SigV4, and the endpoint; default us-east-1 */
	char *ssm_endpoint;	       /* "https://host[:port]"; NULL: the region's own */
	char *ssm_credentials;	       /* as issuer_credentials */
	char *ssm_ca;		       /* PEM; NULL: the system's */
	bool ssm_plain_loopback;       /* allow http:// to loopback */
	struct jb_role *roles;
	size_t role_count;
	struct jb_group *groups;
	size_t group_count;
	struct jb_person *persons;
	size_t person_count;
	struct jb_host_conf *hosts;
	size_t host_count;
	struct jb_usage_plan *plans;
	size_t plan_count;
	struct jb_webhook *webhooks;
	size_t webhook_count;
	struct jb_mail_list *mail_lists;
	size_t mail_list_count;
};

/*
 * Reads and checks the file; every error is told through on_error. NULL when
 * there was one. The caller frees the result with jb_conf_free (NULL is fine).
 */
struct jb_conf *jb_conf_read(const char *path, void (*on_error)(void *arg, const char *message), void *arg);
/* The same for a file that others may read, as in a function's bundle, where the platform sets the modes: no secret may
 * stand in it. */
struct jb_conf *jb_conf_read_public(const char *path, void (*on_error)(void *arg, const char *message), void *arg);
void jb_conf_free(struct jb_conf *conf);

/* NULL when there is none of that name. Owned by conf. */
const struct jb_role *jb_conf_role(const struct jb_conf *conf, const char *name);
const struct jb_person *jb_conf_person(const struct jb_conf *conf, const char *name);
/* The [host NAME] section; NULL when there is none. */
const struct jb_host_conf *jb_conf_host(const struct jb_conf *conf, const char *name);
/* The [usage_plan NAME] section; NULL when there is none. */
const struct jb_usage_plan *jb_conf_usage_plan(const struct jb_conf *conf, const char *name);
/* The plan that counts for the host; never NULL. */
const struct jb_usage_plan *jb_conf_plan_of(const struct jb_conf *conf, const char *host);
/* The [webhook NAME], the [mail NAME]; NULL when there is none. */
const struct jb_webhook *jb_conf_webhook(const struct jb_conf *conf, const char *name);
const struct jb_mail_list *jb_conf_mail_list(const struct jb_conf *conf, const char *name);
/* The line of that key, or of its section where it is not written. */
unsigned jb_conf_line(const struct jb_lines *lines, enum jb_key key);
/* The person who has this Unix name; NULL when nobody is declared with it. */
const struct jb_person *jb_conf_person_by_unix(const struct jb_conf *conf, const char *unix_name);
/* The person whom that issuer knows by this value of that claim ("sub": the subject); NULL: nobody is declared so. */
const struct jb_person *jb_conf_person_by_oidc(const struct jb_conf *conf, const char *issuer, const char *claim,
					       const char *value);
/* The person whom the trusted proxy calls so; NULL: nobody is declared with it. */
const struct jb_person *jb_conf_person_by_remote_user(const struct jb_conf *conf, const char *remote_user);
/* Does the list hold this name, directly or through an @group? */
bool jb_conf_lists(const struct jb_conf *conf, const struct jb_words *list, const char *name);
/* Is this word one of the list, as it is written? */
bool jb_words_have(const struct jb_words *list, const char *word);

#endif
