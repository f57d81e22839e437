/* The calls of libc.c, by the names that libc.syms gives them in the module's objects. */
#ifndef JIT_FUZZ_LIBC_CALLS_H
#define JIT_FUZZ_LIBC_CALLS_H

#include <grp.h>
#include <link.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

void *fuzz_calloc(size_t count, size_t size);
int fuzz_clock_gettime(clockid_t clock, struct timespec *ret);
int fuzz_close(int fd);
int fuzz_connect(int fd, const struct sockaddr *addr, socklen_t len);
int fuzz_dl_iterate_phdr(int (*each)(struct dl_phdr_info *info, size_t size, void *data), void *data);
int fuzz_faccessat(int dir, const char *name, int mode, int flags);
void fuzz_free(void *block);
int fuzz_fstat(int fd, struct stat *st);
int fuzz_fstatat(int dir, const char *name, struct stat *st, int flags);
char *fuzz_getcwd(char *buf, size_t size);
int fuzz_getgrnam_r(const char *name, struct group *gr, char *buf, size_t size, struct group **ret);
int fuzz_getgrouplist(const char *user, gid_t primary, gid_t *groups, int *count);
int fuzz_getitimer(int which, struct itimerval *ret);
int fuzz_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int fuzz_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **ret);
int fuzz_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t size, struct passwd **ret);
int fuzz_getresuid(uid_t *real, uid_t *effective, uid_t *saved);
int fuzz_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
uid_t fuzz_getuid(void);
ssize_t fuzz_getxattr(const char *path, const char *name, void *value, size_t size);
int fuzz_glob(const char *pattern, int flags, int (*on_error)(const char *, int), void *found);
int fuzz_ioctl(int fd, unsigned long request, ...);
int fuzz_isatty(int fd);
void *fuzz_malloc(size_t size);
int fuzz_open(const char *path, int flags, ...);
int fuzz_openat(int dir, const char *name, int flags, ...);
int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout);
ssize_t fuzz_pread(int fd, void *buf, size_t size, off_t at);
int fuzz_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
ssize_t fuzz_readlinkat(int dir, const char *name, char *buf, size_t size);
char *fuzz_realpath(const char *path, char *resolved);
ssize_t fuzz_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t fuzz_sendmsg(int fd, const struct msghdr *msg, int flags);
int fuzz_setresuid(uid_t real, uid_t effective, uid_t saved);
int fuzz_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
int fuzz_signalfd(int fd, const sigset_t *mask, int flags);
int fuzz_socket(int domain, int type, int protocol);
long fuzz_syscall(long number, ...);
pid_t fuzz_tcgetpgrp(int fd);
ssize_t fuzz_write(int fd, const void *bytes, size_t size);

#endif
