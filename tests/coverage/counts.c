/*
 * Linked into every program of `make coverage`, and into nothing else: keeps gcov's counters in a file that all
 * processes of one program share, from the first instruction on.
 *
 * gcov itself writes its counts when a process exits. Much of what is tested here never does (it is killed, is exec'd
 * away, ends by _exit) or may not write any more by then (another user, a sandbox, another root). So the counters,
 * which counts.ld puts into pages of their own, are mapped over with a file before main(): each count is there at once,
 * nothing is left to do at the end, and no descriptor stays open. The file is made beforehand, and named after the
 * program's build id; a program without one is not counted.
 *
 * With JIT_COUNTS_DUMP in its environment the program writes its share of the .gcda files, and ends.
 */
#include <elf.h>
#include <fcntl.h>
#include <gcov.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ID_BYTES 20

extern char jit_counts_begin[], jit_counts_end[]; /* counts.ld */
void __wrap___gcov_exit(void);

/* gcov's own end, which would write to wherever the process is by then: left out. */
void __wrap___gcov_exit(void)
{
}

/* Is this what our own code lies in? Then its build id, in hexadecimal, is written to `name`. */
static int find_id(struct dl_phdr_info *info, size_t size, void *name)
{
	const ElfW(Phdr) *end = info->dlpi_phdr + info->dlpi_phnum;
	bool ours = false;

	(void)size;
	for (const ElfW(Phdr) *part = info->dlpi_phdr; part < end; part++)
		ours = ours || (part->p_type == PT_LOAD &&
				(uintptr_t)jit_counts_begin - info->dlpi_addr - part->p_vaddr < part->p_memsz);
	for (const ElfW(Phdr) *part = info->dlpi_phdr; ours && part < end; part++) {
		const ElfW(Nhdr) *note = (const void *)(info->dlpi_addr + part->p_vaddr);
		const unsigned char *id = (const unsigned char *)(note + 1) + sizeof("GNU");

		if (part->p_type != PT_NOTE || note->n_type != NT_GNU_BUILD_ID || note->n_descsz != ID_BYTES)
			continue;
		for (int at = 0; at < ID_BYTES; at++)
			snprintf((char *)name + 2 * at, 3, "%02x", id[at]);
		return 1;
	}
	return ours;
}

/* The laboratory shows the tree below /run/lab to every user, whatever it lies in. */
static int open_counts(const char *id)
{
	static const char *const folders[] = {JIT_COUNTS, "/run/lab/tree/build/counts"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char path[PATH_MAX];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folders[i], id);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

__attribute__((constructor(101))) static void share_counts(void)
{
	char id[2 * ID_BYTES + 1] = "";
	size_t size = (size_t)(jit_counts_end - jit_counts_begin);
	int fd;

	dl_iterate_phdr(find_id, id);
	fd = *id ? open_counts(id) : -1;
	if (fd < 0)
		return;
	if (ftruncate(fd, (off_t)size) == 0)
		mmap(jit_counts_begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	if (getenv("JIT_COUNTS_DUMP")) {
		__gcov_dump();
		_exit(0);
	}
}
