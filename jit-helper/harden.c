/* See harden.h. */
#include "harden.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cryptomem.h"

/*
 * OpenSSL hands out powers of two: credentials with a session token of 1 kB take 2 KiB, so that 1,000 sessions fill
 * half of it; a grant's key and all else are small beside that. Locked when it is used, not before.
 */
#define SECURE_HEAP	 (4 << 20)
#define SECURE_HEAP_MIN	 32
#define DESCRIPTORS_WANT 8192
#define PASSWD_BUF	 16384

static void raise_descriptors(void)
{
	struct rlimit limit;

	/*
	 * Of 1,200 connections to pam.sock each takes up to three (itself, its process, a terminal to warn on), a grant
	 * one (its session's leader); of 256 to session.sock each two. With fewer it serves fewer, so a failure is
	 * none.
	 */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANT)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANT ? limit.rlim_max : DESCRIPTORS_WANT;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int no_dumps(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int jh_harden_start(int kept)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	/* null goes with the rest: it is the lowest number that was free. */
	if (close_range(3U + (unsigned)kept, ~0U, 0) < 0)
		return -errno;
	umask(077);
	raise_descriptors();
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return no_dumps();
}

int jh_harden_secrets(char *why, size_t why_size)
{
	if (!jit_cryptomem_wipes(why, why_size))
		return -EPERM;
	switch (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_HEAP_MIN)) {
	case 1:
		return 0;
	case 2: /* made, but not locked or not kept out of core dumps */
		snprintf(why, why_size,
			 "cannot lock %d KiB of memory for secrets: raise the limit (LimitMEMLOCK=8M in the unit)",
			 SECURE_HEAP / 1024);
		return -EPERM;
	default:
		snprintf(why, why_size, "cannot make a heap for secrets: out of memory");
		return -ENOMEM;
	}
}

/* No other capability can ever come back, not by a program with file capabilities either. */
static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap != CAP_KILL && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* Of what is permitted at most CAP_KILL, and nothing that a program started from here would get. */
static int keep_kill_alone(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].permitted &= 1U << CAP_KILL;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1] = (struct __user_cap_data_struct){0};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

bool jh_harden_may_kill(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & 1U << CAP_KILL);
}

/* The group that may write to terminals; a host without one gets fewer warnings. */
static int tty_group_alone(void)
{
	char buf[PASSWD_BUF];
	struct group entry, *found = NULL;

	if (getgrnam_r("tty", &entry, buf, sizeof(buf), &found) != 0 || !found || entry.gr_gid == 0)
		return setgroups(0, NULL) < 0 ? -errno : 0;
	return setgroups(1, &entry.gr_gid) < 0 ? -errno : 0;
}

/* All three ids of both kinds, no other group but that one, and no way back. */
static int become(const struct passwd *user)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;
	int dropped = drop_bounding_set();

	if (dropped == 0)
		dropped = tty_group_alone();
	if (dropped < 0)
		return dropped;
	/* The change of user takes all capabilities away, but with this the permitted ones. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return -errno;
	dropped = keep_kill_alone();
	if (dropped < 0)
		return dropped;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 || getresuid(&r, &e, &s) < 0 || getresgid(&gr, &ge, &gs) < 0)
		return -errno;
	if (r != user->pw_uid || e != r || s != r || gr != user->pw_gid || ge != gr || gs != gr ||
	    getgroups(0, NULL) > 1 || setresuid(0, 0, 0) == 0)
		return -EPERM;
	return no_dumps(); /* the change of user has made it dumpable again */
}

int jh_harden_drop(const char *name, char *why, size_t why_size)
{
	char buf[PASSWD_BUF];
	struct passwd user, *found = NULL;

	if (geteuid() != 0) {
		int kept = keep_kill_alone();
		if (kept == 0)
			kept = no_dumps();
		if (kept < 0)
			snprintf(why, why_size, "cannot drop capabilities: %s", strerror(-kept));
		return kept;
	}
	int r = -getpwnam_r(name, &user, buf, sizeof(buf), &found);
	if (r < 0) {
		snprintf(why, why_size, "cannot look user %s up: %s", name, strerror(-r));
		return r;
	}
	if (!found || user.pw_uid == 0 || user.pw_gid == 0) {
		snprintf(why, why_size, "there is no unprivileged user %s to run as: make it with systemd-sysusers",
			 name);
		return -ENOENT;
	}
	r = become(&user);
	if (r < 0)
		snprintf(why, why_size, "cannot become user %s: %s", name, strerror(-r));
	return r;
}
