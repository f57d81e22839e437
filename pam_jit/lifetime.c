/* See lifetime.h. */
#include "lifetime.h"

#include "cleanup.h"
#include "clock.h"
#include "grace.h"
#include "sshd.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define START_FIELD 22 /* of /proc/PID/stat: clock ticks between boot and start */
#define TITLE_SIZE  512

/* login's process may be older than the login: it was getty's. Its alarm alone tells. */
static int64_t alarm_left_ms(void)
{
	struct itimerval timer;

	if (getitimer(ITIMER_REAL, &timer) < 0 || (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0))
		return PJ_UNLIMITED;
	return (int64_t)timer.it_value.tv_sec * 1000 + timer.it_value.tv_usec / 1000;
}

/* When the process was started (jit_boottime_ms); -1 where it cannot be told. */
static int64_t start_ms(pid_t pid)
{
	char path[32], text[1024];
	uint64_t ticks;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	/* The second field is the program's name in parentheses, with whatever is in it. */
	char *rest = strrchr(text, ')'), *word = NULL;
	for (int field = 2; rest && field <= START_FIELD; field++)
		word = strsep(&rest, " ");
	long per_second = sysconf(_SC_CLK_TCK);
	if (!rest || per_second <= 0 || jit_parse_u64(word, INT64_MAX / 1000, &ticks) < 0)
		return -1;
	return (int64_t)(ticks * 1000 / (uint64_t)per_second);
}

/* The process that serves the connection; keyboard-interactive's child is its child. It keeps its id through exec. */
static pid_t connection_process(void)
{
	char title[TITLE_SIZE];

	pj_sshd_title(title, sizeof(title));
	return pj_openssh_is_pam_child(title) ? getppid() : getpid();
}

static int64_t grace_left_ms(const struct pj_args *args)
{
	uint32_t grace = args->has_login_grace ? args->login_grace : pj_grace_read(PJ_SSHD_CONFIG);
	int64_t start = start_ms(connection_process());

	if (grace == 0)
		return PJ_UNLIMITED;
	return (int64_t)grace * 1000 - (start < 0 ? 0 : jit_boottime_ms() - start);
}

int64_t pj_lifetime_left_ms(const struct pj_args *args)
{
	if (args->app != PJ_SSHD && args->app != PJ_LOGIN)
		return PJ_UNLIMITED;
	int64_t left = alarm_left_ms();
	return args->app == PJ_SSHD && left == PJ_UNLIMITED ? grace_left_ms(args) : left;
}
