/*
 * The approvers' command line: approve, deny, revoke and list, over the same API
 * as everybody else. It opens no database: reading a file is no identity, a token
 * is. Each command prints one clear sentence (list: what waits).
 */
#ifndef JB_CLIENT_H
#define JB_CLIENT_H

#include "exit.h"

/* Each returns an exit status (enum jb_exit). */
int jb_cmd_approve(int argc, char **argv);
int jb_cmd_deny(int argc, char **argv);
int jb_cmd_revoke(int argc, char **argv);
int jb_cmd_list(int argc, char **argv);

#endif
