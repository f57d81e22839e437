/* See doctor_file.h. */
#include "doctor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cleanup.h"

#define LENGTH_MAX (4 << 20) /* bytes */

FILE *jd_file_open(const char *path)
{
	JIT_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size > LENGTH_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	FILE *file = fdopen(fd, "r");
	if (file)
		jit_take_fd(&fd);
	return file;
}

int jd_file_has(const char *path, const char *bytes)
{
	JIT_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return -errno;
	bool found = memmem(text, (size_t)st.st_size, bytes, strlen(bytes)) != NULL;
	munmap(text, (size_t)st.st_size);
	return found;
}
