/*
 * What jit makes of jit-helper's answers: each command on a socket (jit.syms) whose other end has said everything
 * before it is asked. It ends, whatever comes, with a status that it may have, and what a person reads is clean.
 *
 * The first byte is the command line, the rest what is said on one connection after the other: F a frame (its type, how
 * many fields, of each the tag, two bytes of length and the bytes), P a packet as it is, N the next connection, R one
 * that is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "fuzz.h"
#include "jit.h"
#include "text.h"

#define WORDS_MAX 12

int fuzz_clock_gettime(clockid_t clock, struct timespec *ret);
int fuzz_connect(int fd, const struct sockaddr *addr, socklen_t len);
int fuzz_isatty(int fd);
int fuzz_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int fuzz_prctl(int option, ...);
int fuzz_sigaction(int sig, const struct sigaction *action, struct sigaction *old);
long fuzz_syscall(long number, ...);
ssize_t fuzz_write(int fd, const void *bytes, size_t size);

/* A command line; `raw`: it prints a document as it came. */
static const struct line {
	const struct jit_command *command;
	const char *words[WORDS_MAX];
	bool raw;
} lines[] = {
	{&jit_command_status, {"status"}, false},
	{&jit_command_status, {"status", "--json"}, true},
	{&jit_command_end, {"end"}, false},
	{&jit_command_end, {"end", "R7KD-2M9Q"}, false},
	{&jit_command_credentials, {"credentials"}, true},
	{&jit_command_env, {"env"}, true},
	{&jit_command_request, {"request", "--role", "admin"}, false},
	{&jit_command_request, {"request", "--hosts", "web-*", "--reason", "disk full", "--wait", "5m"}, false},
	{&jit_command_request, {"request", "--json", "--wait"}, true},
	{&jit_command_request, {"request", "--for", "4h", "--ticket", "INC-4711", "--wait=90s"}, false},
};

static struct fuzz_input script;
static int64_t now_ms;
static FILE *out;

int fuzz_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
	return 0;
}

static void send_fields(int peer)
{
	static struct jit_frame f;
	size_t len;

	jit_frame_start(&f, fuzz_byte(&script));
	for (unsigned count = fuzz_byte(&script) & 7; count; count--) {
		const uint8_t tag = fuzz_byte(&script), high = fuzz_byte(&script), low = fuzz_byte(&script);
		uint8_t *bytes = fuzz_bytes(&script, (size_t)high << 8 | low, &len);

		jit_frame_put(&f, tag, bytes, len);
		free(bytes);
	}
	(void)send(peer, f.data, f.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_packet(int peer)
{
	const uint8_t high = fuzz_byte(&script), low = fuzz_byte(&script);
	size_t len;
	uint8_t *bytes = fuzz_bytes(&script, (size_t)high << 8 | low, &len);

	(void)send(peer, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(bytes);
}

int fuzz_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int pair[2];

	(void)addr, (void)len;
	if (!script.left || *script.at == 'R') {
		(void)fuzz_byte(&script);
		errno = ECONNREFUSED;
		return -1;
	}
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(dup3(pair[0], fd, O_CLOEXEC) == fd);
	close(pair[0]);
	for (bool more = true; more && script.left;) {
		const uint8_t what = fuzz_byte(&script);

		if (what == 'F')
			send_fields(pair[1]);
		else if (what == 'P')
			send_packet(pair[1]);
		else
			more = what != 'N';
	}
	close(pair[1]);
	return 0;
}

/* All that will come is there already: else the time passes. */
int fuzz_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	int n = poll(fds, count, 0);

	(void)mask;
	if (n == 0)
		now_ms += (int64_t)timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 + 1;
	return n;
}

int fuzz_prctl(int option, ...)
{
	(void)option;
	return 0;
}

int fuzz_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	(void)action;
	return sigaction(sig, NULL, old);
}

/* No keyring: whether that matters is the helper's to say. */
long fuzz_syscall(long number, ...)
{
	(void)number;
	errno = EPERM;
	return -1;
}

int fuzz_isatty(int fd)
{
	(void)fd;
	return 0;
}

ssize_t fuzz_write(int fd, const void *bytes, size_t size)
{
	FUZZ_CHECK(fd == STDOUT_FILENO);
	return (ssize_t)fwrite(bytes, 1, size, out);
}

/* Whatever the helper said, a terminal takes it for nothing but text. */
static void check_clean(const char *text, size_t len)
{
	FUZZ_CHECK(memchr(text, '\0', len) == NULL && jit_utf8_valid(text, len));
	for (const char *line = text; *line; line += *line == '\n') {
		const size_t n = strcspn(line, "\n");
		char *clean = malloc(n + 1);

		FUZZ_CHECK(clean && jit_text_clean(clean, n + 1, line, n) == n && memcmp(clean, line, n) == 0);
		free(clean);
		line += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *saved_out = stdout, *saved_err = stderr, *err;
	char *said = NULL, *complained = NULL, *words[WORDS_MAX + 1] = {NULL};
	size_t said_len, complained_len;
	int count = 0;

	if (size == 0)
		return 0;
	const struct line *line = &lines[data[0] % (sizeof(lines) / sizeof(lines[0]))];
	script = (struct fuzz_input){data + 1, size - 1};
	now_ms = 1000000;
	for (; count < WORDS_MAX && line->words[count]; count++)
		FUZZ_CHECK((words[count] = strdup(line->words[count])));
	FUZZ_CHECK((out = open_memstream(&said, &said_len)) && (err = open_memstream(&complained, &complained_len)));
	stdout = out;
	stderr = err;
	optind = 0;
	enum jit_exit status = line->command->run(line->command, count, words);
	stdout = saved_out;
	stderr = saved_err;
	fclose(out);
	fclose(err);
	FUZZ_CHECK(status <= JIT_EXIT_NOT_ELIGIBLE && now_ms < 1000000 + (int64_t)367 * 86400 * 1000);
	FUZZ_CHECK(status == JIT_EXIT_OK || said_len || complained_len); /* nobody is refused without a word */
	if (!line->raw)
		check_clean(said, said_len);
	check_clean(complained, complained_len);
	free(said);
	free(complained);
	while (count)
		free(words[--count]);
	return 0;
}
