/*
 * What the kernel says about a process: its pidfd, and from /proc its parent,
 * session leader, terminal, start time, audit session and audit login uid.
 * Facts are read by pid and count only if the pidfd is alive afterwards: then
 * the number still meant that process.
 */
#ifndef JH_PROC_H
#define JH_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JH_NO_AUDIT UINT32_MAX /* no audit session, or no audit login uid */
/* What a person reads where jh_proc_is_shortage. */
#define JH_SHORTAGE "jit-helper is out of descriptors or memory; try again, or tell this host's operator"

struct jh_proc {
	pid_t pid;
	pid_t parent;
	pid_t leader;	/* of the session (setsid) */
	int tty;	/* device number of the controlling terminal, 0: none */
	uint64_t start; /* clock ticks since boot */
	uint32_t audit_session;
	uint32_t login_uid;
};

/* /proc/PID/stat's text: pid, parent, leader, tty and start. 0 or -EINVAL. */
int jh_proc_parse_stat(const char *text, struct jh_proc *ret);
/* All of it, for a pid. 0; -ESRCH: gone; -errno. */
int jh_proc_read(pid_t pid, struct jh_proc *ret);
/* The same without its audit session and login uid, which are JH_NO_AUDIT then. */
int jh_proc_kin(pid_t pid, struct jh_proc *ret);

/* A file of /proc/PID as text, cut at size - 1. 0; -ESRCH: gone; -errno. */
int jh_proc_text(pid_t pid, const char *name, char *buf, size_t size);
/* It is not that the process is gone: this one lacks what it takes to look. */
bool jh_proc_is_shortage(int error);
/* Its audit session alone; JH_NO_AUDIT where there is none. 0 or -errno. */
int jh_proc_audit(pid_t pid, uint32_t *ret);
/* Its audit login uid alone; JH_NO_AUDIT where there is none. 0 or -errno. */
int jh_proc_login(pid_t pid, uint32_t *ret);

/* A descriptor of the process `pid`. -errno. */
int jh_pidfd_open(pid_t pid);
/* The same, known to mean the one that began then: -ESRCH where the number is another's by now. */
int jh_pidfd_hold(pid_t pid, uint64_t start);
/* Is the process that began then known to be no more? Not where it cannot be looked at. */
bool jh_proc_is_gone(pid_t pid, uint64_t start);
/* The process at the other end of a connected Unix socket: its pid, uid and a pidfd of its own. 0 or -errno. */
int jh_pidfd_of_peer(int sock, pid_t *ret_pid, uid_t *ret_uid, int *ret_pidfd);
bool jh_pidfd_alive(int pidfd);

/* The topmost ancestor of `from` (or itself) that has the same audit session. 0 or -errno. */
int jh_proc_topmost(const struct jh_proc *from, struct jh_proc *ret);
/* 1: `child` is that process or descends from it, by pids and start times; 0: not; -errno of a shortage: who knows. */
int jh_proc_descends(pid_t child, pid_t from, uint64_t from_start);

#endif
