/*
 * Reads what is sent to /dev/log, as journald does on a host: whoever logs waits for it where it is slow, and it takes
 * processor time from them.
 *
 *   logreader <the bound socket >FILE    appends a line for each message, without its last newline and NULs
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	static char message[65536];
	ssize_t n;

	while ((n = recv(STDIN_FILENO, message, sizeof(message) - 1, 0)) >= 0 || errno == EINTR) {
		if (n < 0)
			continue;
		while (n > 0 && (message[n - 1] == '\n' || message[n - 1] == '\0'))
			n--;
		message[n++] = '\n';
		if (write(STDOUT_FILENO, message, (size_t)n) != n)
			break;
	}
	perror("logreader");
	return 1;
}
