/* See sshd.h. */
#include "sshd.h"

#include "cleanup.h"

#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#define LIVE_SINCE   PJ_OPENSSH(10U, 3U)
#define SEGMENT_MAX  (64UL << 20) /* bytes of a segment that are looked through */
#define TITLE_SIZE   512
#define PAM_CHILD    " [pam]"
#define VERSION_MARK "OpenSSH_"

/* One or two digits at *at, which moves past them; -1 where there are none or more. */
static int read_number(const char **at, const char *end)
{
	int n = 0, digits = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, digits++) {
		if (digits == 2)
			return -1;
		n = n * 10 + (**at - '0');
	}
	return digits ? n : -1;
}

/* What stands behind the mark; 0 where it is no version. */
static unsigned read_version(const char *at, const char *end)
{
	int major = read_number(&at, end);

	if (major < 0 || at == end || *at++ != '.')
		return 0;
	int minor = read_number(&at, end);
	if (minor < 0 || (at < end && *at == '*'))
		return 0;
	return PJ_OPENSSH((unsigned)major, (unsigned)minor);
}

unsigned pj_openssh_version(const void *bytes, size_t len)
{
	static const size_t mark_len = sizeof(VERSION_MARK) - 1;
	const char *at = bytes, *end = at + len;
	unsigned highest = 0;

	while ((at = memmem(at, (size_t)(end - at), VERSION_MARK, mark_len)) != NULL) {
		at += mark_len;
		unsigned version = read_version(at, end);
		if (version > highest)
			highest = version;
	}
	return highest;
}

bool pj_openssh_is_pam_child(const char *title)
{
	size_t len = strlen(title), tail = sizeof(PAM_CHILD) - 1;

	if (strncmp(title, "sshd: ", 6) != 0 && strncmp(title, "sshd-session: ", 14) != 0)
		return false;
	return len > tail && strcmp(title + len - tail, PAM_CHILD) == 0;
}

bool pj_openssh_is_live(unsigned version, const char *title)
{
	return version >= LIVE_SINCE && pj_openssh_is_pam_child(title);
}

void pj_sshd_title(char *buf, size_t size)
{
	JIT_CLOSE int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size - 1, 0);

	/* What sshd leaves free behind its title is filled with NULs. */
	buf[n > 0 ? n : 0] = '\0';
}

/* The main program stands first. Its constants are in a segment that is not writable; of some linkers with the code. */
static int look_through(struct dl_phdr_info *info, size_t size, void *data)
{
	unsigned *version = data;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		const char *start = (const char *)(info->dlpi_addr + h->p_vaddr); // NOLINT(performance-no-int-to-ptr)

		if (h->p_type != PT_LOAD || (h->p_flags & (PF_R | PF_W)) != PF_R)
			continue;
		unsigned found = pj_openssh_version(start, h->p_filesz < SEGMENT_MAX ? h->p_filesz : SEGMENT_MAX);
		if (found > *version)
			*version = found;
	}
	return 1; /* no further object: a library's text says nothing of sshd */
}

unsigned pj_sshd_version(void)
{
	unsigned version = 0;

	dl_iterate_phdr(look_through, &version);
	return version;
}

bool pj_sshd_is_live(void)
{
	char title[TITLE_SIZE];

	pj_sshd_title(title, sizeof(title));
	return pj_openssh_is_pam_child(title) && pj_openssh_is_live(pj_sshd_version(), title);
}
