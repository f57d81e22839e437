/*
 * Where the approvers' commands find the broker, and who asks: from the command
 * line, else from ~/.config/jit-broker/client.conf (keys url, ca, token_file), else,
 * on the broker's own machine, where it is from the broker's own configuration.
 */
#ifndef JB_CLIENT_CONF_H
#define JB_CLIENT_CONF_H

#define JB_CLIENT_TOKEN_MAX 512 /* bytes of a token file */

struct jb_client_conf {
	char *url;	  /* "https://broker.example:8443" */
	char *ca;	  /* PEM; NULL: the system's */
	char *connect_to; /* "127.0.0.1:8443": there, whatever the url's name resolves to; NULL: where the name leads */
	const char *broker; /* the configuration of the broker on this machine, asked where no url is known */
	char *token_file;   /* holds the approver's token, not readable by others; "-": standard input */
	char authorization[JB_CLIENT_TOKEN_MAX + 32]; /* the token, as the header that carries it; wiped by clear */
};

/*
 * Fills in what the command line left NULL. 0, or -1 when a file is wrong or url or
 * token_file is still unknown, or no token is there; has said so.
 */
int jb_client_conf_complete(struct jb_client_conf *conf);
void jb_client_conf_clear(struct jb_client_conf *conf);

#endif
