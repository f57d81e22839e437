/* The command that a gated sudo runs: appends when it began (CLOCK_MONOTONIC, nanoseconds) to the file it is given. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec ts;
	char line[32];

	clock_gettime(CLOCK_MONOTONIC, &ts);
	const int fd = argc == 2 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
	const int len = snprintf(line, sizeof(line), "%lld\n", (long long)ts.tv_sec * 1000000000 + ts.tv_nsec);

	return fd >= 0 && write(fd, line, (size_t)len) == len ? 0 : 1;
}
