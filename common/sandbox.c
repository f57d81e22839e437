/* See sandbox.h. Landlock has no library on older systems: its calls, and the steps in which kernels learnt it.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "sandbox_calls.h"
#include "sandbox_offer.h"
#include "text.h"

#ifndef SYS_landlock_create_ruleset /* the same on every machine */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule	    445
#define SYS_landlock_restrict_self  446
#endif

/* linux/landlock.h, which may be older than the kernel. */
enum {
	EXECUTE = 1 << 0,
	WRITE_FILE = 1 << 1,
	READ_FILE = 1 << 2,
	READ_DIR = 1 << 3,
	REMOVE_FILE = 1 << 5,
	MAKE_REG = 1 << 8,
	ALL_AT_FIRST = (1 << 13) - 1,
	REFER = 1 << 13,     /* from ABI 2 on */
	TRUNCATE = 1 << 14,  /* 3 */
	IOCTL_DEV = 1 << 15, /* 5 */
	/* of what is a file itself */
	OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,
};
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };	 /* 4 */
enum { SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1 }; /* 6 */
enum { RULE_PATH = 1, RULE_PORT = 2 };

struct ruleset {
	uint64_t files, ports, scoped;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
struct port_rule {
	uint64_t allowed, port;
};

struct place {
	enum jit_sandbox_use use;
	char *path; /* without links */
};

struct jit_sandbox {
	struct place *places;
	size_t place_count;
	uint16_t *ports;
	size_t port_count;
	bool out_of_memory;
	bool has_files, has_ports; /* once entered: the kernel sees to them */
};

struct jit_sandbox *jit_sandbox_new(void)
{
	return calloc(1, sizeof(struct jit_sandbox));
}

void jit_sandbox_free(struct jit_sandbox *sandbox)
{
	if (!sandbox)
		return;
	for (size_t i = 0; i < sandbox->place_count; i++)
		free(sandbox->places[i].path);
	free(sandbox->places);
	free(sandbox->ports);
	free(sandbox);
}

void jit_sandbox_path(struct jit_sandbox *sandbox, enum jit_sandbox_use use, const char *path)
{
	char *real = path && path[0] == '/' ? realpath(path, NULL) : NULL;

	if (!real)
		return; /* where it is not there nothing is to be allowed */
	struct place *grown = reallocarray(sandbox->places, sandbox->place_count + 1, sizeof(*grown));
	if (!grown) {
		sandbox->out_of_memory = true;
		free(real);
		return;
	}
	sandbox->places = grown;
	grown[sandbox->place_count++] = (struct place){use, real};
}

/* The folder that the path is in; / would be all there is, so what lies there is meant alone. */
static void folder_of(struct jit_sandbox *sandbox, enum jit_sandbox_use use, const char *path)
{
	JIT_FREE char *copy = strdup(path);
	const char *folder = copy ? dirname(copy) : NULL;

	if (!folder)
		sandbox->out_of_memory = true;
	else
		jit_sandbox_path(sandbox, use, strcmp(folder, "/") == 0 ? path : folder);
}

void jit_sandbox_file(struct jit_sandbox *sandbox, enum jit_sandbox_use use, const char *path)
{
	if (!path || path[0] != '/')
		return;
	folder_of(sandbox, use, path);
	JIT_FREE char *real = realpath(path, NULL);
	if (real && strcmp(real, path) != 0)
		folder_of(sandbox, use, real);
}

void jit_sandbox_port(struct jit_sandbox *sandbox, uint16_t port)
{
	uint16_t *grown = reallocarray(sandbox->ports, sandbox->port_count + 1, sizeof(*grown));

	if (!grown) {
		sandbox->out_of_memory = true;
		return;
	}
	sandbox->ports = grown;
	grown[sandbox->port_count++] = port;
}

static uint16_t usual_port(const char *url)
{
	static const struct {
		const char *scheme;
		uint16_t port;
	} usual[] = {{"https:", 443}, {"http:", 80}, {"smtp:", 25}, {"smtps:", 465}};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (strncmp(url, usual[i].scheme, strlen(usual[i].scheme)) == 0)
			return usual[i].port;
	return 0;
}

void jit_sandbox_url(struct jit_sandbox *sandbox, const char *url)
{
	const char *host = url ? strstr(url, "://") : NULL;
	char digits[6];
	uint64_t port;

	if (!host)
		return;
	host += 3;
	const char *end = host + strcspn(host, "/?#");
	const char *bracket = memchr(host, ']', (size_t)(end - host)); /* "[::1]:8443" */
	const char *from = bracket ? bracket : host;
	const char *colon = memchr(from, ':', (size_t)(end - from));
	if (!colon && usual_port(url))
		jit_sandbox_port(sandbox, usual_port(url));
	if (!colon)
		return;
	size_t len = (size_t)(end - colon - 1);
	if (len >= sizeof(digits))
		return;
	memcpy(digits, colon + 1, len);
	digits[len] = '\0';
	if (jit_parse_u64(digits, UINT16_MAX, &port) == 0)
		jit_sandbox_port(sandbox, (uint16_t)port);
}

void jit_sandbox_system(struct jit_sandbox *sandbox)
{
	static const char *const folders[] = {
		"/etc", "/usr", "/lib", "/lib64", "/nix/store",
		/* users' names elsewhere than in /etc: sssd, extrausers, nss_db, and who systemd knows */
		"/var/lib/sss", "/var/lib/extrausers", "/var/db", "/run/systemd", "/run/userdb",
		/* certificates of authorities, where /etc leads there */
		"/var/lib/ca-certificates",
		/* libc and OpenSSL ask how the machine is */
		"/proc/sys", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo", "/sys/devices/system/cpu", "/dev/null",
		"/dev/urandom", "/dev/random"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		jit_sandbox_path(sandbox, JIT_SANDBOX_READ, folders[i]);
	if (jit_sandbox_calls_loose())
		jit_sandbox_path(sandbox, JIT_SANDBOX_READ, "/proc");
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, "/etc/resolv.conf");
	jit_sandbox_port(sandbox, 53); /* answers too long for a datagram */
}

static uint64_t rights(enum jit_sandbox_use use)
{
	switch (use) {
	case JIT_SANDBOX_READ:
		return READ_FILE | READ_DIR;
	case JIT_SANDBOX_WRITE:
		return READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE;
	case JIT_SANDBOX_TERMINAL:
		return WRITE_FILE | IOCTL_DEV;
	}
	return 0;
}

static struct ruleset rules_of(int abi, bool signals)
{
	const char *notify = getenv("NOTIFY_SOCKET");
	struct ruleset rules = {.files = ALL_AT_FIRST};

	rules.files |= abi >= JIT_LANDLOCK_REFER ? REFER : 0;
	rules.files |= abi >= JIT_LANDLOCK_TRUNCATE ? TRUNCATE : 0;
	rules.files |= abi >= JIT_LANDLOCK_IOCTL ? IOCTL_DEV : 0;
	rules.ports = abi >= JIT_LANDLOCK_TCP ? BIND_TCP | CONNECT_TCP : 0;
	if (abi >= JIT_LANDLOCK_SCOPE) {
		rules.scoped |= signals ? 0 : SCOPE_SIGNAL;
		/* A service manager that listens there is to hear of us. */
		rules.scoped |= notify && notify[0] == '@' ? 0 : SCOPE_ABSTRACT;
	}
	return rules;
}

static int allow_place(int ruleset, const struct ruleset *rules, const struct place *place)
{
	JIT_CLOSE int fd = open(place->path, O_PATH | O_CLOEXEC);
	struct path_rule rule = {.allowed = rights(place->use) & rules->files, .fd = fd};
	struct stat st;

	if (fd < 0) /* gone again, or never ours to look into */
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

static int allow_ports(int ruleset, const struct jit_sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->port_count; i++) {
		const struct port_rule rule = {.allowed = CONNECT_TCP, .port = sandbox->ports[i]};

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

static int enter_landlock(const struct jit_sandbox *sandbox, int abi, bool signals)
{
	const struct ruleset rules = rules_of(abi, signals);
	JIT_CLOSE int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	int r = ruleset < 0 ? -errno : 0;

	for (size_t i = 0; i < sandbox->place_count && r == 0; i++)
		r = allow_place(ruleset, &rules, &sandbox->places[i]);
	if (r == 0 && rules.ports)
		r = allow_ports(ruleset, sandbox);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	return r;
}

/* By what it is confined now, for the log. 1: not by all. */
static int tell(const struct jit_sandbox_offer *taken, char *why, size_t why_size)
{
	char said[512];

	jit_sandbox_say(taken, said, sizeof(said));
	snprintf(why, why_size, "%s%s", said,
		 jit_sandbox_calls_loose() ? "; allowed beside: what AddressSanitizer needs, as this build is for tests"
					   : "");
	return taken->landlock <= 0 || taken->seccomp < 0;
}

int jit_sandbox_enter(struct jit_sandbox *sandbox, const struct jit_sandbox_rule *rule, char *why, size_t why_size)
{
	struct jit_sandbox_offer taken = {.landlock = jit_sandbox_landlock()};
	int r = sandbox->out_of_memory ? -ENOMEM : 0;

	if (r == 0 && taken.landlock > 0)
		r = enter_landlock(sandbox, taken.landlock, rule->signals);
	if (r < 0) {
		snprintf(why, why_size, "cannot enter the sandbox (Landlock): %s", strerror(-r));
		return r;
	}
	sandbox->has_files = taken.landlock > 0;
	sandbox->has_ports = taken.landlock >= JIT_LANDLOCK_TCP;
	taken.seccomp = jit_sandbox_calls(rule->calls);
	if (taken.seccomp < 0 && taken.seccomp != -ENOSYS) {
		snprintf(why, why_size, "cannot enter the sandbox (seccomp): %s", strerror(-taken.seccomp));
		return taken.seccomp;
	}
	return tell(&taken, why, why_size);
}

/* Is this path that one, or below it? */
static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool covers_place(const struct jit_sandbox *entered, const struct place *wanted)
{
	for (size_t i = 0; i < entered->place_count; i++) {
		const struct place *place = &entered->places[i];

		if ((rights(wanted->use) & ~rights(place->use)) == 0 && is_below(wanted->path, place->path))
			return true;
	}
	return false;
}

static bool covers_port(const struct jit_sandbox *entered, uint16_t wanted)
{
	for (size_t i = 0; i < entered->port_count; i++)
		if (entered->ports[i] == wanted)
			return true;
	return false;
}

bool jit_sandbox_covers(const struct jit_sandbox *entered, const struct jit_sandbox *wanted, char *what,
			size_t what_size)
{
	snprintf(what, what_size, "more memory than there is");
	if (wanted->out_of_memory)
		return false;
	for (size_t i = 0; entered->has_files && i < wanted->place_count; i++)
		if (!covers_place(entered, &wanted->places[i])) {
			snprintf(what, what_size, "%s", wanted->places[i].path);
			return false;
		}
	for (size_t i = 0; entered->has_ports && i < wanted->port_count; i++)
		if (!covers_port(entered, wanted->ports[i])) {
			snprintf(what, what_size, "TCP port %u", wanted->ports[i]);
			return false;
		}
	return true;
}
