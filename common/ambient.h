/*
 * The environment of a daemon, which libraries read behind its back: proxies,
 * CA files and a log of TLS keys (libcurl), OpenSSL's configuration, resolver
 * options, folders for temporary files. A daemon's settings are its
 * configuration's; what whoever started it happened to have is forgotten.
 */
#ifndef JIT_AMBIENT_H
#define JIT_AMBIENT_H

/* Forgets all but what a service manager, or AWS's, says to the one that it starts. First thing; 0 or -ENOMEM. */
int jit_ambient_forget(void);

#endif
