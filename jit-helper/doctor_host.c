/* See doctor_host.h. */
#include "doctor_host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_module.h"
#include "sandbox_offer.h"
#include "text.h"

#define GOODBYE_MS    1000
#define UNSET_SESSION "4294967295"

static void put_fact(struct jd_report *report, const char *name, const char *value)
{
	char clean[256];

	jit_text_clean_str(clean, sizeof(clean), value);
	json_object_object_add(report->host, name, json_object_new_string(clean));
}

/* A file's first line. "" when it cannot be read. */
static void read_word(const char *path, char *buf, size_t size)
{
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, size - 1) : -1;

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static void judge_kernel(struct jd_report *report)
{
	struct utsname name;
	unsigned long major, minor;
	char *end;

	if (uname(&name) < 0)
		return;
	put_fact(report, "kernel", name.release);
	put_fact(report, "name", name.nodename);
	major = strtoul(name.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major > 6 || (major == 6 && minor >= 5))
		return;
	struct jd_finding *f = jd_find(report, JD_NOTE, "host.kernel", NULL, NULL, 0);
	jd_what(f,
		"Linux %s has no SO_PEERPIDFD (6.5 and later have): who asks for credentials is known by process id "
		"and start time.",
		name.release);
}

/* In a child, so that this process keeps its keyring. 0 or what the kernel said. */
static int try_keyring(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return errno;
	if (pid == 0) {
		char text[8];
		long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
		long key = ring < 0 ? -1
				    : syscall(SYS_add_key, "user", "pam_jit:doctor", "probe", 5UL,
					      (long)KEY_SPEC_SESSION_KEYRING);
		long n = key < 0 ? -1 : syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof(text));
		_exit(n == 5 ? 0 : errno ? errno : EIO);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static void judge_keyrings(struct jd_report *report, bool gated, const struct jd_probe *probe)
{
	int error = try_keyring();

	put_fact(report, "keyrings", error ? strerror(error) : "yes");
	if (!error)
		return;
	struct jd_finding *f =
		jd_find(report, gated && probe->keyring_needed ? JD_ERROR : JD_WARNING, "host.keyrings", NULL, NULL, 0);
	jd_what(f, "Session keyrings are not to be had here (%s): %s.", strerror(error),
		probe->keyring_needed
			? "every session is refused (without_keyring = refuse)"
			: "an elevated session is known by its processes' descent alone, which is weaker");
	jd_fix(f, "In a container allow keyctl, add_key and request_key in its seccomp profile.");
}

static void judge_audit(struct jd_report *report)
{
	char session[32];

	read_word("/proc/self/sessionid", session, sizeof(session));
	put_fact(report, "auditSessions", session[0] ? "yes" : "no");
	if (!session[0]) {
		struct jd_finding *f = jd_find(report, JD_WARNING, "host.audit", NULL, NULL, 0);
		jd_what(f, "This kernel has no audit sessions: login sessions are told apart by their leading process "
			   "and terminal alone.");
		jd_fix(f, "Use a kernel with CONFIG_AUDIT.");
	} else if (strcmp(session, UNSET_SESSION) == 0) {
		struct jd_finding *f = jd_find(report, JD_NOTE, "host.loginuid", NULL, NULL, 0);
		jd_what(f,
			"This very session has no audit session: it came not through pam_loginuid.so (a container, a "
			"service, or a stack without it).");
	}
}

static void judge_yama(struct jd_report *report)
{
	char scope[8];

	read_word("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	put_fact(report, "ptraceScope", scope[0] ? scope : "no Yama");
	if (scope[0] && scope[0] != '0')
		return;
	struct jd_finding *f = jd_find(report, JD_NOTE, "host.ptrace", NULL, NULL, 0);
	jd_what(f,
		"%s: a debugger in another session of the same user can read what an elevated session of that user "
		"holds.",
		scope[0] ? "kernel.yama.ptrace_scope is 0" : "This kernel has no Yama");
	jd_fix(f, "Set kernel.yama.ptrace_scope = 1 in /etc/sysctl.d, where the kernel has it.");
}

static void judge_sandbox(struct jd_report *report)
{
	/* Distributions ship kernels without Landlock, and their hosts cannot get better; all have seccomp. */
	static const struct {
		enum jd_severity severity;
		const char *effect;
	} parts[] = {
		[JIT_SANDBOX_LANDLOCK] = {JD_NOTE,
					  "whoever takes it over gets at every file and port that its user may"},
		[JIT_SANDBOX_SECCOMP] = {JD_WARNING, "whoever takes it over may make every system call"},
	};
	const struct jit_sandbox_offer offer = jit_sandbox_ask();
	const char *unlimited = jit_sandbox_unlimited(&offer);
	struct jit_sandbox_lack lack;
	char fact[32];

	snprintf(fact, sizeof(fact), offer.landlock > 0 ? "ABI %d" : "no", offer.landlock);
	put_fact(report, "landlock", fact);
	put_fact(report, "seccomp", offer.seccomp == 0 ? "yes" : "no");
	for (enum jit_sandbox_part part = 0; part < JIT_SANDBOX_PARTS; part++)
		if (jit_sandbox_lacks(&offer, part, &lack)) {
			struct jd_finding *f = jd_find(report, parts[part].severity, "host.sandbox", NULL, NULL, 0);
			jd_what(f, "jit-helper is not confined by %s (%s): %s.", lack.part, lack.why,
				parts[part].effect);
			jd_fix(f, "%c%s.", toupper((unsigned char)lack.remedy[0]), lack.remedy + 1);
		}
	if (unlimited)
		jd_what(jd_find(report, JD_NOTE, "host.sandbox", NULL, NULL, 0),
			"Landlock of this kernel (ABI %d) limits %s.", offer.landlock, unlimited);
}

static void judge_selinux(struct jd_report *report, const struct jd_probe *probe)
{
	char enforce[8], label[256] = "";

	read_word("/sys/fs/selinux/enforce", enforce, sizeof(enforce));
	put_fact(report, "selinux", !enforce[0] ? "no" : enforce[0] == '1' ? "enforcing" : "permissive");
	if (enforce[0] != '1')
		return;
	ssize_t n = getxattr(probe->pam_socket, "security.selinux", label, sizeof(label) - 1);
	label[n > 0 ? n : 0] = '\0';
	if (n > 0 && !strstr(label, ":var_run_t:") && !strstr(label, ":unlabeled_t:"))
		return;
	struct jd_finding *f = jd_find(report, JD_WARNING, "host.selinux", NULL, probe->pam_socket, 0);
	jd_what(f,
		"SELinux is enforcing and no policy speaks of the helper's socket (%s): sshd and login may be kept "
		"from it, and then refuse everybody.",
		label[0] ? label : "no label");
	jd_fix(f, "Load a policy that lets them connect to it; `ausearch -m avc -ts recent` says what was refused.");
}

static void judge_user(struct jd_report *report, enum jd_severity severity, const struct jd_probe *probe)
{
	const struct passwd *user = getpwnam(probe->user);

	if (user && user->pw_uid != 0)
		return;
	struct jd_finding *f = jd_find(report, severity, "helper.user", NULL, "/etc/passwd", 0);
	jd_what(f, "There is no unprivileged user %s for the helper to run as.", probe->user);
	jd_fix(f, "Run: systemd-sysusers");
}

static void judge_folder(struct jd_report *report, const struct jd_probe *probe)
{
	const struct passwd *user = getpwnam(probe->user);
	char folder[256];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", probe->pam_socket);
	char *slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	if (lstat(folder, &st) < 0 ||
	    (S_ISDIR(st.st_mode) && (st.st_uid == 0 || (user && st.st_uid == user->pw_uid)) && !(st.st_mode & 022)))
		return; /* where it is missing nobody listens either, which is told */
	struct jd_finding *f = jd_find(report, JD_WARNING, "helper.folder", NULL, folder, 0);
	jd_what(f,
		"Others than root and the helper can put a socket of theirs there (mode %04o, uid %u): everybody "
		"would be refused.",
		(unsigned)st.st_mode & 07777, (unsigned)st.st_uid);
	jd_fix(f, "chown root:root %s && chmod 0755 %s", folder, folder);
}

/* 0: a helper answers there; else -errno, and -EPERM where somebody else does. */
static int try_socket(const char *path, const struct jd_probe *probe)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 2};
	JIT_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct passwd *user = getpwnam(probe->user);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	/* Gone before it was looked at, this process would be a line in the helper's log. */
	struct pollfd p = {.fd = fd, .events = POLLIN};
	shutdown(fd, SHUT_WR);
	poll(&p, 1, GOODBYE_MS);
	return peer.uid == 0 || (user && peer.uid == user->pw_uid) ? 0 : -EPERM;
}

static void judge_socket(struct jd_report *report, enum jd_severity severity, const char *code, const char *path,
			 mode_t wanted, const char *effect, const struct jd_probe *probe)
{
	int r = try_socket(path, probe);
	struct jd_finding *f;
	struct stat st;

	if (r < 0) {
		f = jd_find(report, severity, code, NULL, path, 0);
		jd_what(f,
			r == -EPERM ? "Somebody else than the helper listens here (%s): %s."
				    : "jit-helper does not listen here (%s): %s.",
			strerror(-r), effect);
		jd_fix(f, "systemctl enable --now jit-helper.socket jit-helper-session.socket jit-helper; its log says "
			  "why it does not start: journalctl -u jit-helper");
	} else if (stat(path, &st) == 0 && (st.st_mode & 0777 & ~wanted)) {
		f = jd_find(report, JD_WARNING, "helper.socket_mode", NULL, path, 0);
		jd_what(f, "The socket's mode is %04o, wider than %04o.", (unsigned)st.st_mode & 0777,
			(unsigned)wanted);
		jd_fix(f, "Restart jit-helper, or its socket unit, which sets it.");
	}
}

static void judge_module(struct jd_report *report, enum jd_severity severity)
{
	char path[256];
	struct jd_finding *f;
	struct stat st;

	if (!jd_module_find(path, sizeof(path))) {
		f = jd_find(report, severity, "module.missing", NULL, NULL, 0);
		jd_what(f, "pam_jit.so is not installed where libpam looks: every line that names it refuses.");
		jd_fix(f, "Install it, or take the lines out of /etc/pam.d.");
	} else if (!jd_module_is_ours(path)) {
		f = jd_find(report, severity, "module.foreign", NULL, path, 0);
		jd_what(f, "This is another project's module of the same name: lines of pam_jit.so lead to it.");
		jd_fix(f, "Remove that package, or this one; both cannot be had on one host.");
	} else if (stat(path, &st) < 0 || st.st_uid != 0 || (st.st_mode & 022)) {
		f = jd_find(report, JD_ERROR, "module.writable", NULL, path, 0);
		jd_what(f, "Others than root can change the module: the gate is theirs.");
		jd_fix(f, "chown root:root FILE && chmod 0644 FILE");
	}
}

void jd_host_look(struct jd_report *report, bool gated, const struct jd_probe *probe)
{
	enum jd_severity severity = gated ? JD_ERROR : JD_WARNING;

	judge_kernel(report);
	judge_audit(report);
	judge_keyrings(report, gated, probe);
	judge_yama(report);
	judge_sandbox(report);
	judge_selinux(report, probe);
	judge_module(report, severity);
	judge_user(report, severity, probe);
	judge_folder(report, probe);
	judge_socket(report, severity, "helper.down", probe->pam_socket, 0600, "everybody is refused", probe);
	judge_socket(report, JD_WARNING, "helper.session_socket", probe->session_socket, 0666,
		     "jit, and AWS tools in elevated sessions, get no answer", probe);
}
