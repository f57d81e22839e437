/*
 * The approvers' command line: approve, deny, revoke and list, over the same API
 * as everybody else. It opens no database: reading a file is no identity, a token
 * is. Each command prints one clear sentence (list: what waits).
 */
#ifndef JB_CLIENT_H
#define JB_CLIENT_H

/* Exit statuses. */
enum jb_client_exit {
	JB_CLIENT_OK = 0,
	JB_CLIENT_REFUSED = 1,	   /* the broker said no */
	JB_CLIENT_USAGE = 2,	   /* the command line or the configuration is wrong */
	JB_CLIENT_UNAVAILABLE = 4, /* the broker cannot be reached or cannot answer now */
};

int jb_cmd_approve(int argc, char **argv);
int jb_cmd_deny(int argc, char **argv);
int jb_cmd_revoke(int argc, char **argv);
int jb_cmd_list(int argc, char **argv);

#endif
