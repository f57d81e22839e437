/* See libc.h. */
#include "libc.h"

#include "proto.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "libc_calls.h"

struct world world;

static const int errors[] = {EINTR,	   EAGAIN, ENOMEM, EMFILE, EPERM,  EIO,	    EPIPE,  ECONNRESET,
			     ECONNREFUSED, ENOENT, EINVAL, ENOSYS, EDQUOT, ENOBUFS, EACCES, ETIMEDOUT};

bool world_fails(void)
{
	world.calls++;
	for (int i = 0; i < WORLD_FAULTS; i++) {
		if (!world.is.fault[i].call || world.is.fault[i].call != world.calls)
			continue;
		errno = errors[world.is.fault[i].error % (sizeof(errors) / sizeof(errors[0]))];
		world.faults++;
		return true;
	}
	return false;
}

void world_begin(const struct world_facts *facts, const struct fuzz_input *script)
{
	memset(&world, 0, sizeof(world));
	world.is = *facts;
	world.script = *script;
	world.now_ms = 1000000;
	world.peer = -1;
	world.ring = world.made = 7;
	sigprocmask(SIG_BLOCK, NULL, &world.mask);
}

void world_phase(bool is_open, int64_t deadline_ms)
{
	world.is_open = is_open;
	world.deadline_ms = deadline_ms;
	world.allowed = world.ignored = world.confirmed = world.keyless = world.has_come = false;
	world.questions = world.taken = 0;
}

void world_end(void)
{
	if (world.peer >= 0)
		close(world.peer);
	world.peer = -1;
}

void world_clear(void)
{
	world_end();
	while (world.fd_count)
		close(world.fds[--world.fd_count]);
}

/* Descriptors */

int world_keep(int fd)
{
	FUZZ_CHECK(world.fd_count < WORLD_FDS);
	if (fd >= 0)
		world.fds[world.fd_count++] = fd;
	return fd;
}

int fuzz_close(int fd)
{
	for (unsigned i = 0; i < world.fd_count; i++) {
		if (world.fds[i] != fd)
			continue;
		world.fds[i] = world.fds[--world.fd_count];
		close(fd);
		return world_fails() ? -1 : 0;
	}
	FUZZ_NEVER("the module closes what it has not opened");
	return -1;
}

static int text_file(const char *text)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, 0644) == 0);
	return world_keep(fd);
}

static int folder(void)
{
	return world_keep(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* Whatever is opened is one of these, and never for writing but a terminal. */
int fuzz_open(const char *path, int flags, ...)
{
	bool is_terminal = strncmp(path, "/dev/tty", 8) == 0 || strncmp(path, "/dev/pts/", 9) == 0;

	FUZZ_CHECK((flags & O_CLOEXEC) && !strstr(path, "..") && !(flags & O_CREAT));
	FUZZ_CHECK(is_terminal == ((flags & O_ACCMODE) == O_WRONLY) && (!is_terminal || (flags & O_NOCTTY)));
	if (world_fails())
		return -1;
	if (is_terminal) {
		errno = ENXIO;
		return world.is.terminal ? world_keep(open("/dev/null", O_WRONLY | O_CLOEXEC)) : -1;
	}
	if (strcmp(path, "/proc/self/cmdline") == 0)
		return text_file(world.is.title);
	if (strncmp(path, "/proc/", 6) == 0)
		return text_file("7 (sshd: op1 [priv]) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99000 1 1 1");
	FUZZ_CHECK(strcmp(path, "/") == 0 && (flags & O_PATH));
	return folder();
}

#define LINK "ssh" /* where the way has one */
#define LED  "ssh-here"

/* The way to sshd's configuration, name by name, and the file. */
int fuzz_openat(int dir, const char *name, int flags, ...)
{
	const bool is_folder = strcmp(name, "etc") == 0 || strcmp(name, LINK) == 0 || strcmp(name, LED) == 0;

	(void)dir;
	FUZZ_CHECK((flags & O_CLOEXEC) && (flags & O_NOFOLLOW) && !(flags & O_CREAT) &&
		   (flags & O_ACCMODE) == O_RDONLY);
	FUZZ_CHECK(is_folder == !!(flags & O_PATH) && (is_folder || strcmp(name, "sshd_config") == 0));
	if (world_fails())
		return -1;
	if (world.is.linked && strcmp(name, LINK) == 0) {
		errno = ENOTDIR;
		return -1;
	}
	return is_folder ? folder() : text_file("# a file\nInclude sshd_config.d/*.conf\nLoginGraceTime 45\n");
}

/* Asked of what is no folder that can be opened. */
int fuzz_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	(void)dir;
	FUZZ_CHECK(flags & AT_SYMLINK_NOFOLLOW);
	if (world_fails())
		return -1;
	*st = (struct stat){.st_mode = S_IFLNK | 0777};
	errno = ENOENT;
	return world.is.linked && strcmp(name, LINK) == 0 ? 0 : -1;
}

ssize_t fuzz_readlinkat(int dir, const char *name, char *buf, size_t size)
{
	(void)dir;
	FUZZ_CHECK(world.is.linked && strcmp(name, LINK) == 0 && size > strlen(LED));
	if (world_fails())
		return -1;
	memcpy(buf, LED, strlen(LED)); /* as readlinkat(2): without a NUL */
	return (ssize_t)strlen(LED);
}

/* Is there an access list? */
ssize_t fuzz_getxattr(const char *path, const char *name, void *value, size_t size)
{
	(void)value;
	FUZZ_CHECK(strncmp(path, "/proc/self/fd/", 14) == 0 && size == 0);
	FUZZ_CHECK(world.is.shared && strcmp(name, "system.posix_acl_access") == 0);
	if (!world_fails())
		errno = ENODATA;
	return -1;
}

int fuzz_faccessat(int dir, const char *name, int mode, int flags)
{
	(void)dir, (void)name, (void)mode, (void)flags;
	FUZZ_NEVER("the module opens what it reads, and asks for no file's permissions");
	return -1;
}

char *fuzz_realpath(const char *path, char *resolved)
{
	FUZZ_CHECK(!resolved);
	if (world_fails())
		return NULL;
	world.blocks++;
	return strdup(path);
}

int fuzz_glob(const char *pattern, int flags, int (*on_error)(const char *, int), void *found)
{
	(void)flags, (void)on_error, (void)found;
	FUZZ_CHECK(strcmp(pattern, "/etc/ssh/sshd_config.d/*.conf") == 0);
	return world_fails() ? GLOB_NOSPACE : GLOB_NOMATCH;
}

ssize_t fuzz_pread(int fd, void *buf, size_t size, off_t at)
{
	return world_fails() ? -1 : pread(fd, buf, size, at);
}

int fuzz_fstat(int fd, struct stat *st)
{
	if (world_fails()) {
		world.undo_failed = true; /* what cannot be told to be its own is left alone */
		return -1;
	}
	FUZZ_CHECK(fstat(fd, st) == 0);
	if (world.is.shared && S_ISDIR(st->st_mode))
		st->st_mode |= S_IWGRP;
	return 0;
}

/* To the terminal: text, and what moves the cursor to the line's beginning. */
ssize_t fuzz_write(int fd, const void *bytes, size_t size)
{
	const char *text = bytes;

	(void)fd;
	for (size_t i = 0; i < size; i++)
		FUZZ_CHECK((unsigned char)text[i] >= ' ' || text[i] == '\n' || text[i] == '\r' ||
			   (text[i] == '\033' && size - i > 2 && memcmp(text + i, "\033[K", 3) == 0));
	return world_fails() ? -1 : (ssize_t)size;
}

int fuzz_isatty(int fd)
{
	(void)fd;
	return world.is.terminal && !world_fails();
}

pid_t fuzz_tcgetpgrp(int fd)
{
	(void)fd;
	return world_fails() ? -1 : world.is.foreground ? getpgrp() : 1;
}

/* Memory */

void *fuzz_malloc(size_t size)
{
	void *block = world_fails() ? NULL : malloc(size);

	world.blocks += block != NULL;
	return block;
}

void *fuzz_calloc(size_t count, size_t size)
{
	void *block = world_fails() ? NULL : calloc(count, size);

	world.blocks += block != NULL;
	return block;
}

void fuzz_free(void *block)
{
	world.blocks -= block != NULL;
	free(block);
}

/* Time */

int fuzz_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){.tv_sec = world.now_ms / 1000, .tv_nsec = world.now_ms % 1000 * 1000000};
	return 0;
}

int fuzz_getitimer(int which, struct itimerval *ret)
{
	(void)which;
	*ret = (struct itimerval){.it_value.tv_sec = world.is.alarm ? 30 : 0};
	return world_fails() ? -1 : 0;
}

/* Signals: the mask is the process' own, the handlers nobody's to change. */

int fuzz_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	int r = how == SIG_BLOCK && world_fails() ? errno : pthread_sigmask(how, set, old);

	return r;
}

int fuzz_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	FUZZ_CHECK(!action);
	return world_fails() ? -1 : sigaction(sig, NULL, old);
}

int fuzz_signalfd(int fd, const sigset_t *mask, int flags)
{
	FUZZ_CHECK(fd == -1 && (flags & SFD_CLOEXEC));
	return world_fails() ? -1 : world_keep(signalfd(fd, mask, flags));
}

/* Who runs it */

uid_t fuzz_getuid(void)
{
	return world.is.real_uid;
}

int fuzz_getresuid(uid_t *real, uid_t *effective, uid_t *saved)
{
	*real = world.is.real_uid;
	*effective = *saved = world.is.effective_uid;
	return world_fails() ? -1 : 0;
}

int fuzz_setresuid(uid_t real, uid_t effective, uid_t saved)
{
	(void)saved;
	if (world_fails()) {
		world.undo_failed |= real != 0;
		return -1;
	}
	world.is.real_uid = real;
	world.is.effective_uid = effective;
	return 0;
}

static int find_user(const char *name, uid_t uid, struct passwd *pw, struct passwd **ret)
{
	static const struct {
		const char *name;
		uid_t uid;
	} users[] = {{"root", 0}, {WORLD_USER, WORLD_UID}, {"_jit", WORLD_HELPER}};

	*ret = NULL;
	if (world_fails())
		return errno;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		if (name ? strcmp(name, users[i].name) != 0 : uid != users[i].uid)
			continue;
		*pw = (struct passwd){.pw_name = (char *)users[i].name, .pw_uid = users[i].uid, .pw_gid = users[i].uid};
		*ret = pw;
	}
	return 0;
}

int fuzz_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **ret)
{
	(void)buf, (void)size;
	return find_user(name, 0, pw, ret);
}

int fuzz_getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t size, struct passwd **ret)
{
	(void)buf, (void)size;
	return find_user(NULL, uid, pw, ret);
}

int fuzz_getgrnam_r(const char *name, struct group *gr, char *buf, size_t size, struct group **ret)
{
	(void)buf, (void)size;
	*gr = (struct group){.gr_name = (char *)"wheel", .gr_gid = 10};
	*ret = strcmp(name, "wheel") == 0 ? gr : NULL;
	return world_fails() ? errno : 0;
}

int fuzz_getgrouplist(const char *user, gid_t primary, gid_t *groups, int *count)
{
	(void)user;
	if (*count < 2 || world_fails())
		return -1;
	groups[0] = primary;
	groups[1] = 20;
	*count = 2;
	return 2;
}

char *fuzz_getcwd(char *buf, size_t size)
{
	snprintf(buf, size, "/home/" WORLD_USER);
	return world_fails() ? NULL : buf;
}

/* One segment, in which sshd's version stands. */
int fuzz_dl_iterate_phdr(int (*each)(struct dl_phdr_info *info, size_t size, void *data), void *data)
{
	static const char program[] = "....OpenSSH_10.3p1....OpenSSH_7.4*";
	ElfW(Phdr) segment = {.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = sizeof(program)};
	struct dl_phdr_info info = {
		.dlpi_addr = (ElfW(Addr))(uintptr_t)program, .dlpi_phdr = &segment, .dlpi_phnum = 1};

	return each(&info, sizeof(info), data);
}

/* Keyrings */

static long keyctl(int operation, long a, long b)
{
	if (world.is.no_keyrings) {
		errno = EPERM;
		return -1;
	}
	if (world_fails()) {
		world.undo_failed |= operation == KEYCTL_INVALIDATE || operation == KEYCTL_UNLINK;
		return -1;
	}
	switch (operation) {
	case KEYCTL_GET_KEYRING_ID:
		return (long)world.ring;
	case KEYCTL_JOIN_SESSION_KEYRING:
		FUZZ_CHECK(world.is.real_uid == 0); /* charged to nobody whose quota can be used up */
		world.key = false;
		world.ring = ++world.made;
		return (long)world.ring;
	case KEYCTL_DESCRIBE:
		snprintf((char *)b, 256, "keyring;%d;%d;3f3f0000;%s", WORLD_UID, WORLD_UID,
			 world.is.own_ring ? "_ses" : "_uid_ses.1001");
		return (long)strlen((char *)b) + 1;
	case KEYCTL_SET_TIMEOUT:
	case KEYCTL_SETPERM:
		FUZZ_CHECK(a == 42 && world.key && (operation != KEYCTL_SET_TIMEOUT || b > 0));
		return 0;
	case KEYCTL_INVALIDATE:
	case KEYCTL_UNLINK:
		FUZZ_CHECK(a == 42);
		world.key = false;
		return 0;
	default:
		FUZZ_NEVER("an operation on keys that is not known");
		return -1;
	}
}

long fuzz_syscall(long number, ...)
{
	long arg[4];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_keyctl)
		return keyctl((int)arg[0], arg[1], arg[2]);
	FUZZ_CHECK(number == SYS_add_key && strcmp((const char *)arg[0], "user") == 0 &&
		   strcmp((const char *)arg[1], JIT_KEY_NAME) == 0 && arg[3] == JIT_TOKEN_LEN);
	if (world.is.no_keyrings)
		errno = EPERM;
	if (world.is.no_keyrings || world_fails())
		return -1;
	world.key = true;
	return 42;
}
