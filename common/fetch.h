/*
 * The one HTTP client: libcurl on a libevent loop (curlloop.h), with the rules
 * every call of ours keeps (peer and host name verified, TLS 1.2 at least,
 * https only, no redirect, no proxy, CA or netrc from the environment,
 * TCP_NODELAY, answers capped in size and time). jit-helper, jit-broker and its
 * command line use it; the PAM module and `jit` never link it.
 */
#ifndef JIT_FETCH_H
#define JIT_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct jit_fetch;
struct jit_fetch_call;

/* At how many addresses one call is tried at most. */
#define JIT_FETCH_ADDRESSES 8

/* Where AWS gives a role's credentials (awsrole.h): to an instance, to a container of ECS, to a pod of EKS. */
#define JIT_FETCH_METADATA  "http://169.254.169.254"
#define JIT_FETCH_CONTAINER "http://169.254.170.2"
#define JIT_FETCH_POD	    "http://169.254.170.23"
#define JIT_FETCH_POD_6	    "http://[fd00:ec2::23]"

struct jit_fetch_result;

struct jit_fetch_options {
	const char *ca_file;	 /* PEM; NULL: the system's */
	const char *certificate; /* PEM: shown to servers that ask for one; NULL: none is. Not copied: it must live */
	const char *certificate_key; /* as long as the client; PEM without passphrase */
	const char *connect_to;	     /* "127.0.0.1:8443": there, whatever name the URL has; NULL: where it leads */
	bool plain_loopback;	     /* allow http:// to 127.0.0.0/8, [::1] and localhost, and nowhere else */
	bool plain_metadata;	     /* allow those four, which speak nothing else */
	const char *user_agent;	     /* NULL: none */
	/*
	 * Told of every try, by its URL. True: this one is of no use, and the same call goes to the next of its
	 * addresses at once, if there is one. NULL: the first address alone is tried. It may not free the client.
	 */
	bool (*useless)(void *arg, const char *url, const struct jit_fetch_result *result);
	void *useless_arg;
};

/* How a call went. Only JIT_FETCH_OK carries a status. */
enum jit_fetch_fault {
	JIT_FETCH_OK = 0,
	JIT_FETCH_DNS,
	JIT_FETCH_CONNECT,
	JIT_FETCH_TLS,
	JIT_FETCH_TIMEOUT,
	JIT_FETCH_TOO_LARGE, /* the answer is over max_body */
	JIT_FETCH_BROKEN,    /* connection lost, or no HTTP */
	JIT_FETCH_LOCAL,     /* out of memory, bad URL */
};

struct jit_fetch_result {
	enum jit_fetch_fault fault;
	const char *why;  /* a phrase that names the cause, without host: "connection refused"; "" when OK */
	long status;	  /* HTTP status */
	const char *body; /* NUL-terminated, never NULL; gone after the callback */
	size_t body_len;
	const char *content_type; /* "" when none */
	long retry_after;	  /* seconds, 0 when the answer named none */
	int64_t date;		  /* its Date header, seconds since the epoch; 0 when it has none */
	long connections;	  /* new connections this call made: 0 on a kept-alive one */
	bool silent;		  /* no answer came, not even its beginning: no name, no connection, no TLS, no time */
	bool sent;		  /* the call, or one of its tries elsewhere, may have been read */
	const char *tried;	  /* of several addresses, none of use: "https://a: connection refused; …"; else "" */
};

/* http:// to 127.0.0.1, [::1] or localhost? */
bool jit_fetch_is_plain_loopback(const char *url);

typedef void (*jit_fetch_done)(void *arg, const struct jit_fetch_result *result);

struct jit_fetch_request {
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *const *elsewhere; /* URLs of the same call, in the order in which they are tried, or NULL */
	const char *const
		*headers; /* "Name: value", NULL-terminated list, or NULL; copied into OpenSSL's secure heap */
	const char *body; /* copied; NULL: none */
	size_t body_len;
	long timeout_ms; /* of one try; must be positive */
	long connect_ms; /* of that, until it is connected (DNS and TLS included); 0: 5 s */
	size_t max_body; /* bytes of the answer; must be positive */
	bool secret;	 /* the answer carries credentials in clear: it is kept in OpenSSL's secure heap */
	/* SigV4: "aws:amz:REGION:SERVICE", key as "ACCESS:SECRET"; NULL: unsigned. */
	const char *sigv4;
	const char *sigv4_key;
	const char *unable; /* why it cannot be sent now: it fails so, in the loop, as a local fault; NULL: it can */
};

/* NULL when libcurl cannot start. The options' strings are copied, but for the certificate's. */
struct jit_fetch *jit_fetch_new(struct event_base *base, const struct jit_fetch_options *options);
/* Cancels what is under way without calling back. NULL is fine. */
void jit_fetch_free(struct jit_fetch *fetch);

/*
 * Starts a call; `done` is called exactly once, later, from the loop (also for
 * a local failure), unless the call is cancelled first. NULL only when out of
 * memory: then `done` is not called.
 */
struct jit_fetch_call *jit_fetch_start(struct jit_fetch *fetch, const struct jit_fetch_request *request,
				       jit_fetch_done done, void *arg);

/* Ends a call that has not called back yet. NULL is fine. */
void jit_fetch_cancel(struct jit_fetch_call *call);

#endif
