/* See doctor_run.h. */
#include "doctor_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"

#define OUTPUT_MAX (1 << 20)

struct stream {
	int fd; /* -1: at its end */
	char *text;
	size_t len;
};

void jd_output_clear(struct jd_output *output)
{
	free(output->text);
	free(output->errors);
	*output = (struct jd_output){0};
}

const char *jd_run_trouble(int error)
{
	switch (error) {
	case -ENOENT:
		return "it is not installed";
	case -ETIMEDOUT:
		return "it took too long and was stopped";
	case -EFBIG:
		return "it said too much and was stopped";
	default:
		return strerror(-error);
	}
}

static _Noreturn void become(const char *const *argv, int out, int err)
{
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL};
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* no terminal to ask on, and a group of its own to be ended with */
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(err, STDERR_FILENO) >= 0 && close_range(3, ~0U, 0) == 0 && chdir("/") == 0)
		execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
	_exit(127);
}

/* What is there to be read. 0, or -errno. */
static int drain(struct stream *s)
{
	char buf[16384];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		close(s->fd);
		s->fd = -1;
		return 0;
	}
	if (s->len + (size_t)n > OUTPUT_MAX)
		return -EFBIG;
	char *grown = realloc(s->text, s->len + (size_t)n + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + s->len, buf, (size_t)n);
	s->text = grown;
	s->len += (size_t)n;
	grown[s->len] = '\0';
	return 0;
}

static int collect(struct stream streams[static 2], int64_t until)
{
	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		struct pollfd p[2] = {{.fd = streams[0].fd, .events = POLLIN}, {.fd = streams[1].fd, .events = POLLIN}};
		int64_t left = until - jit_boottime_ms();
		int n = left > 0 ? poll(p, 2, (int)left) : 0;

		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; n > 0 && i < 2; i++) {
			int r = p[i].revents ? drain(&streams[i]) : 0;
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* It has closed its output: it ends at once, or is killed at the deadline. */
static int reap(pid_t pid, int64_t until, int failed, int *ret_status)
{
	int status;

	while (!failed) {
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			goto ended;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (jit_boottime_ms() >= until)
			failed = -ETIMEDOUT;
		poll(NULL, 0, 2);
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL); /* it may not have its group yet */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
ended:
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return failed;
}

int jd_run(const char *const *argv, int timeout_ms, struct jd_output *ret)
{
	struct stream streams[2] = {{.fd = -1}, {.fd = -1}};
	int out[2] = {-1, -1}, err[2] = {-1, -1}, status = 0, r;
	int64_t until = jit_boottime_ms() + timeout_ms;
	pid_t pid = -1;

	if (access(argv[0], X_OK) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		r = -errno;
	else
		r = 0;
	if (pid == 0)
		become(argv, out[1], err[1]);
	jit_closep(&out[1]);
	jit_closep(&err[1]);
	streams[0].fd = out[0];
	streams[1].fd = err[0];
	if (r == 0)
		r = reap(pid, until, collect(streams, until), &status);
	jit_closep(&streams[0].fd);
	jit_closep(&streams[1].fd);
	streams[0].text = streams[0].text ? streams[0].text : strdup("");
	streams[1].text = streams[1].text ? streams[1].text : strdup("");
	if (r == 0 && (!streams[0].text || !streams[1].text))
		r = -ENOMEM;
	if (r < 0) {
		free(streams[0].text);
		free(streams[1].text);
		return r;
	}
	*ret = (struct jd_output){.text = streams[0].text, .errors = streams[1].text, .status = status};
	return 0;
}
