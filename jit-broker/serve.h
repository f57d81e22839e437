/* `jit-broker serve`: the daemon, from its configuration to its last connection. */
#ifndef JB_SERVE_H
#define JB_SERVE_H

/* Returns the process's exit status. */
int jb_cmd_serve(int argc, char **argv);

#endif
