/*
 * The commands of whoever runs the broker, on its own machine: keys of hosts,
 * tokens of approvers, the configuration, the audit chain. argv[0] is the
 * command's own name ("key"). Each takes --config FILE (default
 * JB_CONF_DEFAULT) and returns an exit status (enum jb_exit).
 */
#ifndef JB_ADMIN_H
#define JB_ADMIN_H

#define JB_CONF_DEFAULT "/etc/jit-broker/jit-broker.conf"

/* key add HOST | list | rotate HOST | revoke ID */
int jb_cmd_key(int argc, char **argv);
/* token add PERSON | list | revoke ID */
int jb_cmd_token(int argc, char **argv);
/* sessions list | end PERSON */
int jb_cmd_sessions(int argc, char **argv);
/* check: every error of the configuration. check --who USER --host HOST …: what the policy would say at that instant,
 * who could approve, and the line that decided. */
int jb_cmd_check(int argc, char **argv);
/* audit verify | export | anchor | join FILE… | show */
int jb_cmd_audit(int argc, char **argv);
/* notify test NAME | list */
int jb_cmd_notify(int argc, char **argv);

/* store create */
int jb_cmd_store(int argc, char **argv);
/* backup FILE */
int jb_cmd_backup(int argc, char **argv);
/* restore FILE */
int jb_cmd_restore(int argc, char **argv);

#endif
