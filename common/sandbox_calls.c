/* See sandbox_calls.h. */
#include "sandbox_calls.h"

#include <errno.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define LOOSE true
#elif defined(__has_feature)
#define LOOSE __has_feature(address_sanitizer)
#else
#define LOOSE false
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* Linux 5.17: libc names its memory */
#endif

#if defined(__s390__) || defined(__CRIS__)
#define CLONE_FLAGS 1 /* the argument that holds them */
#else
#define CLONE_FLAGS 0
#endif

/* By name, for all machines: one that this machine does not have is left out. */
static const char *const usual[] = {
	/* memory, threads, time (clone3 is refused quietly) */
	"brk", "clone3", "futex", "futex_time64", "futex_waitv", "madvise", "membarrier", "mlock", "mlock2", "mremap",
	"munlock", "munmap", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
	"clock_nanosleep", "clock_nanosleep_time64", "gettimeofday", "nanosleep", "time", "timerfd_create",
	"timerfd_settime", "timerfd_settime64", "exit", "exit_group", "restart_syscall", "rseq", "sched_getaffinity",
	"sched_yield", "set_robust_list", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sigreturn",
	/* who we are */
	"getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getpid",
	"getppid", "getrandom", "getrlimit", "getrusage", "gettid", "getuid", "getuid32", "sysinfo", "times",
	"ugetrlimit", "uname",
	/* descriptors, and waiting for them */
	"_llseek", "close", "close_range", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "fcntl", "fcntl64", "fstat", "fstat64", "lseek",
	"pipe2", "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "read", "readv", "select", "write",
	"writev", "_newselect",
	/* files: which ones, Landlock says */
	"access", "faccessat", "faccessat2", "fstatat64", "fstatfs", "fstatfs64", "getcwd", "getdents", "getdents64",
	"getxattr", "lstat", "lstat64", "newfstatat", "open", "openat", "pread64", "readlink", "readlinkat", "stat",
	"stat64", "statfs", "statfs64", "statx", "flock", "fsync", "rename", "renameat", "renameat2", "unlink",
	"unlinkat",
	/* sockets: of which families, see below */
	"accept", "accept4", "connect", "getpeername", "getsockname", "getsockopt", "recv", "recvfrom", "recvmmsg",
	"recvmmsg_time64", "recvmsg", "setsockopt", "shutdown", NULL};

/* No library of ours makes them, whatever its version: whoever does has taken the process over. */
static const char *const hostile[] = {
	/* programs and other processes */
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "setns", "unshare",
	/* the kernel */
	"acct", "bpf", "delete_module", "finit_module", "init_module", "ioperm", "iopl", "kexec_file_load",
	"kexec_load", "perf_event_open", "reboot", "userfaultfd", "personality",
	/* what files are where */
	"chroot", "fsopen", "mount", "mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "pivot_root",
	"quotactl", "swapoff", "swapon", "umount", "umount2",
	/* the clock */
	"clock_settime", "clock_settime64", "settimeofday", NULL};

/* What AddressSanitizer makes in its search for leaks at an end: it stops all threads as a debugger does. */
static const char *const sanitizers[] = {"clone", "mmap", "mmap2", "mprotect", "prctl", "ptrace", "wait4", NULL};

static bool is_among(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

static int by_name(scmp_filter_ctx filter, uint32_t action, const char *const *names)
{
	int r = 0;

	for (; *names && r == 0; names++) {
		const int number = seccomp_syscall_resolve_name(*names);

		/* One that libseccomp does not know yet stays as any other. */
		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, action, number, 0);
	}
	return r;
}

/* Without TCP Fast Open, which connects as it sends: Landlock's ports do not see that. */
static int sending(scmp_filter_ctx filter)
{
	static const struct {
		int number;
		unsigned flags;
	} sends[] = {{SCMP_SYS(send), 3}, {SCMP_SYS(sendto), 3}, {SCMP_SYS(sendmsg), 2}, {SCMP_SYS(sendmmsg), 3}};
	int r = 0;

	for (size_t i = 0; i < sizeof(sends) / sizeof(sends[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sends[i].number, 1,
				     SCMP_CMP32(sends[i].flags, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
	return r;
}

/* TCP and datagrams. Of other protocols (MPTCP, SCTP) Landlock's ports see nothing. */
static int internet(scmp_filter_ctx filter, uint32_t family)
{
	static const uint32_t protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP};
	int r = 0;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0_32(SCMP_CMP_EQ, family, 0),
				     SCMP_A2_32(SCMP_CMP_EQ, protocols[i], 0));
	return r;
}

/* Of the other families a library that tries one is told what a kernel without it says. */
static int families(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX, 0));

	for (uint32_t family = 0; family <= AF_NETLINK && r == 0; family++) {
		const bool may = family == AF_UNIX || family == AF_NETLINK;

		if (family == AF_INET || family == AF_INET6)
			r = internet(filter, family);
		else
			r = seccomp_rule_add(filter, may ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT),
					     SCMP_SYS(socket), 1, SCMP_A0_32(SCMP_CMP_EQ, family, 0));
	}
	return r < 0 ? r
		     : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
					SCMP_A0_32(SCMP_CMP_GT, AF_NETLINK, 0));
}

/* A thread of this process, never another process. */
static int threads(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_CMP64(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));

	/* abort(3), and only of itself */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid(), 0));
	/* limits are asked, not set */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2_64(SCMP_CMP_EQ, 0, 0));
	return r;
}

/*
 * Memory is written or executed, not both, whichever comes first. This sees no paths: a file that may be written could
 * still be mapped twice, once for each. For the daemons' own folders the units forbid that (NoExecPaths=).
 */
static int memory(scmp_filter_ctx filter)
{
	const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2)};
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				 SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	for (size_t i = 0; i < 2 && r == 0; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, maps[i], 1, SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (r == 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, maps[i], 1,
					     SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
	}
	return r;
}

/* Of the calls that are many in one those that are needed; what types into terminals is none of them. */
static int by_argument(scmp_filter_ctx filter)
{
	static const uint32_t ioctls[] = {FIONREAD, FIONBIO, TCGETS, TIOCGWINSZ, TIOCGDEV};
	static const uint32_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
					  PR_CAPBSET_READ /* libcap, in nss-systemd */, PR_SET_VMA};
	int r = 0;

	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1_32(SCMP_CMP_EQ, ioctls[i], 0));
	for (size_t i = 0; i < sizeof(prctls) / sizeof(prctls[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0_32(SCMP_CMP_EQ, prctls[i], 0));
	return r;
}

static int end_the_hostile(scmp_filter_ctx filter)
{
	int r = 0;

	for (const char *const *name = hostile; *name && r == 0; name++) {
		const char *const one[] = {*name, NULL};

		if (!LOOSE || !is_among(*name, sanitizers))
			r = by_name(filter, SCMP_ACT_KILL_PROCESS, one);
	}
	return r;
}

static int fill(scmp_filter_ctx filter, const char *const *more)
{
	int r = by_name(filter, SCMP_ACT_ALLOW, usual);

	if (r == 0)
		r = by_name(filter, SCMP_ACT_ALLOW, more);
	if (r == 0)
		r = families(filter);
	if (r == 0)
		r = sending(filter);
	if (r == 0)
		r = by_argument(filter);
	if (r == 0)
		r = LOOSE ? by_name(filter, SCMP_ACT_ALLOW, sanitizers) : threads(filter);
	if (r == 0 && !LOOSE)
		r = memory(filter);
	return r == 0 ? end_the_hostile(filter) : r;
}

static int load(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	return r == 0 ? seccomp_load(filter) : r;
}

/*
 * What libc tries each time and does without: clone3, since a filter cannot see its flags (there is clone), and the
 * list of the machine's addresses. A filter of its own, since the other one has a line in the kernel's log for each
 * refusal.
 */
static int refuse_quietly(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : -ENOMEM;

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK, 0));
	if (r == 0)
		r = load(filter);
	seccomp_release(filter);
	return r;
}

int jit_sandbox_calls(const char *const *more)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) /* a kernel without it */
		return -ENOSYS;
	int r = refuse_quietly();
	scmp_filter_ctx filter = r == 0 ? seccomp_init(SCMP_ACT_ERRNO(ENOSYS)) : NULL;
	if (r == 0)
		r = filter ? fill(filter, more) : -ENOMEM;
	if (r == 0) {
		/* A tree instead of a list, and the log: it is better with them, and safe without. */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
		r = load(filter);
	}
	seccomp_release(filter);
	return r == -ENOSYS ? -EPROTO : r;
}

bool jit_sandbox_calls_loose(void)
{
	return LOOSE;
}
