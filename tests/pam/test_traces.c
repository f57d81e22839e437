/* The module is a guest in somebody else's process: what it is made of, and that it leaves everything as it found it.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <netinet/in.h>
#include <pty.h>
#include <sys/time.h>

/* --- what it is made of --- */

typedef ElfW(Ehdr) elf_header;
typedef ElfW(Shdr) elf_section;
typedef ElfW(Sym) elf_symbol;
typedef ElfW(Dyn) elf_dynamic;

struct image {
	uint8_t *bytes;
	size_t len;
};

static void read_image(struct image *image)
{
	struct stat st;
	int fd = open(lab.module, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	image->len = (size_t)st.st_size;
	image->bytes = malloc(image->len);
	assert_int_equal(read(fd, image->bytes, image->len), image->len);
	close(fd);
}

static const elf_section *find_section(const struct image *image, uint32_t type)
{
	const elf_header *elf = (const void *)image->bytes;
	const elf_section *sections = (const void *)(image->bytes + elf->e_shoff);

	for (size_t i = 0; i < elf->e_shnum; i++)
		if (sections[i].sh_type == type)
			return &sections[i];
	fail_msg("the module has no section of type %u", type);
	return NULL;
}

static const char *strings_of(const struct image *image, const elf_section *section)
{
	const elf_header *elf = (const void *)image->bytes;
	const elf_section *sections = (const void *)(image->bytes + elf->e_shoff);

	return (const char *)image->bytes + sections[section->sh_link].sh_offset;
}

static bool is_listed(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static void it_exports_the_pam_phases_and_nothing_else(void **state)
{
	static const char *const phases[] = {"pam_sm_authenticate", "pam_sm_setcred",	    "pam_sm_acct_mgmt",
					     "pam_sm_open_session", "pam_sm_close_session", "pam_sm_chauthtok"};
	struct image image;
	size_t exported = 0;

	(void)state;
	read_image(&image);
	const elf_section *section = find_section(&image, SHT_DYNSYM);
	const elf_symbol *symbols = (const void *)(image.bytes + section->sh_offset);
	for (size_t i = 0; i < section->sh_size / sizeof(*symbols); i++) {
		const char *name = strings_of(&image, section) + symbols[i].st_name;

		if (symbols[i].st_shndx == SHN_UNDEF)
			continue;
		if (!is_listed(name, phases, COUNT_OF(phases)))
			fail_msg("the module exports %s", name);
		exported++;
	}
	assert_int_equal(exported, COUNT_OF(phases));
	free(image.bytes);
}

static void it_needs_libpam_and_libc_and_nothing_else(void **state)
{
	static const char *const libraries[] = {"libpam.so.0", "libc.so.6"};
	struct image image;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); /* the sanitizers' libraries are in this build */
#endif
	read_image(&image);
	const elf_section *section = find_section(&image, SHT_DYNAMIC);
	const elf_dynamic *dynamic = (const void *)(image.bytes + section->sh_offset);
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		const char *name = strings_of(&image, section) + dynamic->d_un.d_val;

		if (dynamic->d_tag == DT_NEEDED && !is_listed(name, libraries, COUNT_OF(libraries)))
			fail_msg("the module needs %s", name);
	}
	free(image.bytes);
}

/* Calls that a guest does not make: they start something, or change what belongs to the whole process. */
static void it_calls_nothing_that_changes_its_hosts_process(void **state)
{
	static const char *const banned[] = {
		"fork",		  "vfork",    "posix_spawn", "system",	"popen",     "execve", "execv",
		"pthread_create", "atexit",   "on_exit",     "signal",	"setlocale", "chdir",  "umask",
		"openlog",	  "closelog", "setenv",	     "putenv",	"exit",	     "abort",  "strcpy",
		"strcat",	  "sprintf",  "strtok",	     "sigwait", "read",
	};
	struct image image;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip(); /* the sanitizers call what they need */
#endif
	if (getenv("PAM_JIT_COUNTED"))
		skip(); /* and so do gcov's counters */
	read_image(&image);
	const elf_section *section = find_section(&image, SHT_DYNSYM);
	const elf_symbol *symbols = (const void *)(image.bytes + section->sh_offset);
	for (size_t i = 0; i < section->sh_size / sizeof(*symbols); i++) {
		const char *name = strings_of(&image, section) + symbols[i].st_name;

		if (is_listed(name, banned, COUNT_OF(banned)))
			fail_msg("the module calls %s", name);
	}
	free(image.bytes);
}

static void every_symbol_it_needs_is_found_at_load(void **state)
{
	(void)state;
	void *module = dlopen(lab.module, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		fail_msg("%s", dlerror());
	dlclose(module);
}

/* --- what it leaves --- */

#define FDS 256 /* descriptors that are looked at one by one */

struct traces {
	char files[4096]; /* "3 /path\n…" of /proc/self/fd */
	char variables[65536];
	void (*handlers[NSIG])(int);
	sigset_t mask;
	mode_t mode;
	char cwd[PATH_MAX];
	long ring;
	long ring_size;
	uid_t uids[3];
	struct itimerval alarm; /* of which only the interval stands still */
};

static void note_files(struct traces *t)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t len = 0;

	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[300], target[PATH_MAX] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(dir) ||
		    readlink(path, target, sizeof(target) - 1) < 0)
			continue;
		len += (size_t)snprintf(t->files + len, sizeof(t->files) - len, "%s %s\n", e->d_name, target);
	}
	closedir(dir);
}

static void note(struct traces *t)
{
	size_t len = 0;

	memset(t, 0, sizeof(*t));
	note_files(t);
	for (char **e = environ; *e && len < sizeof(t->variables); e++)
		len += (size_t)snprintf(t->variables + len, sizeof(t->variables) - len, "%s\n", *e);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action = {.sa_handler = SIG_DFL};

		sigaction(sig, NULL, &action);
		t->handlers[sig] = action.sa_handler;
	}
	sigprocmask(SIG_SETMASK, NULL, &t->mask);
	t->mode = umask(0);
	umask(t->mode);
	assert_non_null(getcwd(t->cwd, sizeof(t->cwd)));
	t->ring = session_ring();
	t->ring_size = syscall(SYS_keyctl, KEYCTL_READ, t->ring, NULL, 0);
	getresuid(&t->uids[0], &t->uids[1], &t->uids[2]);
	getitimer(ITIMER_REAL, &t->alarm);
}

static void assert_same(const struct traces *before, const struct traces *after)
{
	assert_string_equal(before->files, after->files);
	assert_string_equal(before->variables, after->variables);
	assert_memory_equal(before->handlers, after->handlers, sizeof(before->handlers));
	assert_memory_equal(&before->mask, &after->mask, sizeof(before->mask));
	assert_int_equal(before->mode, after->mode);
	assert_string_equal(before->cwd, after->cwd);
	assert_int_equal(before->ring, after->ring);
	assert_int_equal(before->ring_size, after->ring_size);
	assert_memory_equal(before->uids, after->uids, sizeof(before->uids));
	assert_int_equal(before->alarm.it_interval.tv_sec, after->alarm.it_interval.tv_sec);
	assert_in_range(before->alarm.it_value.tv_sec - after->alarm.it_value.tv_sec, 0, 2);
}

static uint32_t outcome;

static void converse_and_decide(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_say(fd, "request R7KD-2M9Q", 0);
	peer_ask(fd, "Reason: ", 1);
	peer_recv(fd, &f, JIT_F_REPLY);
	peer_wait(fd, "waiting", 300);
	peer_verdict(fd, outcome, NULL, GRANT);
	if (outcome == JIT_ALLOW)
		peer_recv(fd, &f, JIT_F_TAKEN);
	peer_expect_end(fd);
}

static void account_leaves_its_host_as_it_was(void **state)
{
	static struct traces before, after;

	(void)state;
	for (outcome = JIT_ALLOW; outcome <= JIT_LATER; outcome++) {
		struct host h;
		struct peer p;

		peer_start(&p, converse_and_decide, "");
		host_start(&h, "sshd", p.arguments);
		note(&before);
		pam_acct_mgmt(h.pamh, 0);
		note(&after);
		assert_same(&before, &after);
		host_end(&h);
		peer_finish(&p);
	}
}

/* Nothing is read from the client, whose bytes are sshd's to read, and its descriptor stays. */
static void the_clients_connection_and_the_alarm_are_sshds(void **state)
{
	const struct itimerval armed = {.it_value.tv_sec = 100, .it_interval.tv_sec = 7}, off = {0};
	static struct traces before, after;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	char byte;
	struct host h;
	struct peer p;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len) | listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
	int server = accept(listener, NULL, NULL);
	assert_int_equal(write(client, "x", 1), 1);
	outcome = JIT_ALLOW;
	peer_start(&p, converse_and_decide, "");
	host_start(&h, "sshd", p.arguments);
	pam_set_item(h.pamh, PAM_RHOST, "127.0.0.1");
	setitimer(ITIMER_REAL, &armed, NULL);
	note(&before);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
	note(&after);
	setitimer(ITIMER_REAL, &off, NULL);
	assert_same(&before, &after);
	assert_int_equal(recv(server, &byte, 1, MSG_DONTWAIT), 1);
	host_end(&h);
	peer_finish(&p);
	close(server);
	close(client);
	close(listener);
}

static void say_what_would_happen(int fd)
{
	struct jit_frame f;

	peer_recv(fd, &f, JIT_F_ELEVATE);
	peer_verdict(fd, JIT_IGNORE, "would be allowed", NULL);
	peer_expect_end(fd);
}

static void observing_leaves_its_host_as_it_was(void **state)
{
	static struct traces before, after;
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, say_what_would_happen, "observe");
	host_start(&h, "sudo", p.arguments);
	note(&before);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), IGNORED);
	assert_int_equal(pam_open_session(h.pamh, 0), IGNORED);
	note(&after);
	assert_same(&before, &after);
	host_end(&h);
	peer_finish(&p);
}

/* login's way: the ring is the session's already, so that nothing at all is left when it is over. */
static void a_session_that_is_over_leaves_its_host_as_it_was(void **state)
{
	static struct traces before, after;
	struct host h;
	struct peer p;

	(void)state;
	if (lab.is_root) /* a ring as pam_keyinit makes it: the user's own */
		assert_int_equal(setresuid(NOBODY, NOBODY, 0), 0);
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (lab.is_root)
		assert_int_equal(setresuid(NOBODY, 0, 0), 0);
	char tty[64];
	int master, slave;
	assert_int_equal(openpty(&master, &slave, tty, NULL, NULL), 0);
	peer_start(&p, peer_open_and_close, "");
	host_start(&h, "login", p.arguments);
	pam_set_item(h.pamh, PAM_TTY, tty);
	note(&before);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	assert_int_equal(session_ring(), before.ring);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	note(&after);
	assert_same(&before, &after);
	host_end(&h);
	peer_finish(&p);
	close(master);
	close(slave);
}

static void every_descriptor_it_holds_is_closed_on_exec(void **state)
{
	bool was_open[FDS];
	struct host h;
	struct peer p;

	(void)state;
	peer_start(&p, peer_open_and_close, "");
	host_start(&h, lab.is_root ? "sudo" : "login", p.arguments);
	for (int fd = 0; fd < FDS; fd++)
		was_open[fd] = fcntl(fd, F_GETFD) >= 0;
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	unsigned held = 0;
	for (int fd = 0; fd < FDS; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0 || was_open[fd])
			continue;
		assert_true(flags & FD_CLOEXEC);
		held++;
	}
	assert_int_equal(held, 1); /* the elevation's */
	pam_close_session(h.pamh, 0);
	host_end(&h);
	peer_finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_exports_the_pam_phases_and_nothing_else),
		cmocka_unit_test(it_needs_libpam_and_libc_and_nothing_else),
		cmocka_unit_test(it_calls_nothing_that_changes_its_hosts_process),
		cmocka_unit_test(every_symbol_it_needs_is_found_at_load),
		cmocka_unit_test(account_leaves_its_host_as_it_was),
		cmocka_unit_test(the_clients_connection_and_the_alarm_are_sshds),
		cmocka_unit_test(observing_leaves_its_host_as_it_was),
		cmocka_unit_test(a_session_that_is_over_leaves_its_host_as_it_was),
		cmocka_unit_test(every_descriptor_it_holds_is_closed_on_exec),
	};

	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
