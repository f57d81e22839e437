/*
 * A thousand transactions in one process, as a daemon has them that never ends: each loads the module, is let in or
 * refused, has a session, and unloads it. Memory, descriptors and libraries are then what they were, to the byte.
 *
 * The heap is counted without libc's cache of freed pieces, which count as used (main() starts the program anew so). A
 * thousand with pam_permit in the module's place show what libpam keeps by itself, one piece that is kept what is seen.
 *
 * Writes what it measured as a comment of JSON.
 */
#include "peer.h"

#include <dirent.h>
#include <link.h>
#include <malloc.h>

#define WARM	 20	    /* transactions until libc and libpam have what they keep */
#define OWN_MOST (4 * 4096) /* bytes: pages of the stack that were not written to before */
#define SMALLEST 16	    /* bytes of a leak */
#define UNCACHED "glibc.malloc.tcache_count=0"
#define LIBRARY	 64

static unsigned transactions = 1000;

struct footprint {
	size_t heap; /* bytes in use */
	size_t own;  /* bytes written to: heap, stack, data */
	unsigned descriptors, libraries;
};

static size_t read_own(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	size_t kib = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "Anonymous:", 10) == 0)
			kib = strtoul(line + 10, NULL, 10);
	fclose(f);
	return kib * 1024;
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct libraries {
	unsigned count;
	char name[LIBRARY][PATH_MAX];
};

static int note_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct libraries *all = arg;

	(void)size;
	assert_true(all->count < LIBRARY);
	snprintf(all->name[all->count++], PATH_MAX, "%s", info->dlpi_name);
	return 0;
}

static void note_libraries(struct libraries *all)
{
	all->count = 0;
	dl_iterate_phdr(note_library, all);
}

static struct footprint take(void)
{
	static struct libraries loaded;

	note_libraries(&loaded);
	return (struct footprint){.heap = mallinfo2().uordblks,
				  .own = read_own(),
				  .descriptors = count_descriptors(),
				  .libraries = loaded.count};
}

/* The helper of all of them, each with two connections: account, then session. */
static void serve_account(int fd, unsigned number)
{
	static const uint32_t outcomes[] = {JIT_ALLOW, JIT_DENIED, JIT_ALLOW, JIT_TIMED_OUT};
	uint32_t outcome = outcomes[number % COUNT_OF(outcomes)];
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

static pid_t serve_all(const char *path)
{
	int listener = peer_listen(path);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (unsigned i = 0; i < 2 * (WARM + transactions); i++) {
			alarm(PEER_LIMIT);
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			EXPECT(fd >= 0);
			if (i % 2 == 0)
				serve_account(fd, i / 2);
			else
				peer_open_and_close(fd);
			close(fd);
		}
		_exit(0);
	}
	close(listener);
	return pid;
}

static void one_transaction(unsigned number, const char *arguments)
{
	struct host h;

	host_start(&h, "login", arguments);
	assert_int_equal(pam_acct_mgmt(h.pamh, 0) == PAM_SUCCESS, number % 2 == 0);
	assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
	assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
	host_end(&h);
}

/* Under valgrind, whose heap is another one and which finds leaks itself, a few are enough. */
static bool under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

/* AddressSanitizer's heap and valgrind's are others, and keep what was freed. */
static bool is_foreign_heap(void)
{
	return under_valgrind() || mallinfo2().uordblks == 0;
}

static void assert_as_before(const char *module, const struct footprint *before, const struct footprint *after)
{
	const ssize_t own = (ssize_t)(after->own - before->own);

	print_message("{\"module\": \"%s\", \"transactions\": %u, \"heap_bytes\": %zd, \"own_bytes\": %zd, "
		      "\"descriptors\": %d}\n",
		      module, transactions, (ssize_t)(after->heap - before->heap), own,
		      (int)(after->descriptors - before->descriptors));
	assert_int_equal(after->descriptors, before->descriptors);
	assert_int_equal(after->libraries, before->libraries);
	if (is_foreign_heap())
		return;
	assert_int_equal(after->heap, before->heap);
	assert_true(own <= OWN_MOST);
}

static void a_thousand_transactions_leave_memory_and_descriptors_as_they_were(void **state)
{
	char path[PATH_MAX + 16], arguments[PATH_MAX + 512];
	int status;

	(void)state;
	if (under_valgrind())
		transactions = 20;
	snprintf(path, sizeof(path), "%s/pam.sock", lab.dir);
	snprintf(arguments, sizeof(arguments), "socket=%s helper_user=%s", path, lab.user);
	pid_t helper = serve_all(path);
	for (unsigned i = 0; i < WARM; i++)
		one_transaction(i, arguments);
	const struct footprint before = take();
	for (unsigned i = 0; i < transactions; i++)
		one_transaction(i, arguments);
	const struct footprint after = take();
	assert_int_equal(waitpid(helper, &status, 0), helper);
	assert_int_equal(status, 0);
	assert_as_before("pam_jit", &before, &after);
}

/* Without the module, the same measure is the same. */
static void a_thousand_without_the_module_do_too(void **state)
{
	char module[PATH_MAX];
	struct host h;

	(void)state;
	memcpy(module, lab.module, sizeof(module));
	snprintf(lab.module, sizeof(lab.module), "pam_permit.so");
	struct footprint before = {0};
	for (unsigned i = 0; i < WARM + transactions; i++) {
		if (i == WARM)
			before = take();
		host_start(&h, "login", "");
		assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_SUCCESS);
		assert_int_equal(pam_open_session(h.pamh, 0), PAM_SUCCESS);
		assert_int_equal(pam_close_session(h.pamh, 0), PAM_SUCCESS);
		host_end(&h);
	}
	const struct footprint after = take();
	memcpy(lab.module, module, sizeof(module));
	assert_as_before("pam_permit", &before, &after);
}

static void one_piece_of_sixteen_bytes_that_is_kept_is_seen(void **state)
{
	(void)state;
	if (is_foreign_heap())
		skip();
	const struct footprint before = take();
	void *kept = malloc(SMALLEST);
	assert_non_null(kept);
	const struct footprint after = take();
	free(kept);
	assert_true(after.heap >= before.heap + SMALLEST);
	assert_int_equal(take().heap, before.heap);
}

/* Is it one that comes with the stack itself? */
static bool is_of_the_stack(const char *name)
{
	const char *end = strrchr(name, '/');

	return strcmp(name, lab.module) == 0 || (end && strcmp(end, "/pam_debug.so") == 0);
}

static void it_loads_no_library_that_its_host_has_not(void **state)
{
	static struct libraries before, during;
	struct host h;

	(void)state;
	note_libraries(&before);
	host_start(&h, "sudo", "socket=/nonexistent/pam.sock");
	assert_int_equal(pam_acct_mgmt(h.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	note_libraries(&during);
	for (unsigned i = 0; i < during.count; i++) {
		bool known = is_of_the_stack(during.name[i]);

		for (unsigned k = 0; k < before.count && !known; k++)
			known = strcmp(during.name[i], before.name[k]) == 0;
		if (!known)
			fail_msg("%s has been loaded", during.name[i]);
	}
	assert_true(during.count > before.count);
	host_end(&h);
}

/* libc reads it when a program starts. */
static bool is_uncached(void)
{
	const char *tunables = getenv("GLIBC_TUNABLES");

	return tunables && strcmp(tunables, UNCACHED) == 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_loads_no_library_that_its_host_has_not),
		cmocka_unit_test(a_thousand_transactions_leave_memory_and_descriptors_as_they_were),
		cmocka_unit_test(a_thousand_without_the_module_do_too),
		cmocka_unit_test(one_piece_of_sixteen_bytes_that_is_kept_is_seen),
	};

	(void)argc;
	if (!under_valgrind() && !is_uncached()) {
		setenv("GLIBC_TUNABLES", UNCACHED, 1);
		execv("/proc/self/exe", argv);
		perror("/proc/self/exe");
		return 1;
	}
	return cmocka_run_group_tests(tests, lab_set_up, lab_tear_down);
}
