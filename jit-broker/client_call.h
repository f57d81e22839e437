/* How the approvers' commands reach the broker: where it is, who asks, and one call at a time. */
#ifndef JB_CLIENT_CALL_H
#define JB_CLIENT_CALL_H

#include <stddef.h>

struct json_object;

/* From the command line, else from ~/.config/jit-broker/client.conf (keys url, ca, token_file). */
struct jb_client_conf {
	char *url;	  /* "https://broker.example:8443" */
	char *ca;	  /* PEM; NULL: the system's */
	char *token_file; /* holds the approver's token, not readable by others */
};

/*
 * Fills in what the command line left NULL from the file, where there is one. 0, or
 * -1 when the file is wrong or url or token_file is still unknown; has said so.
 */
int jb_client_conf_complete(struct jb_client_conf *conf);
void jb_client_conf_clear(struct jb_client_conf *conf);

/*
 * One call. `path` from "/"; `body` is JSON text or NULL for a GET. 0 and the
 * answer's document (the caller puts it) for a 200; else an enum
 * jb_client_exit, and a sentence has been printed on standard error.
 */
int jb_client_call(const struct jb_client_conf *conf, const char *path, const char *body, struct json_object **ret);

#endif
