/* See quiet.h. */
#include "quiet.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

static bool is_heeded(int sig, const sigset_t *blocked)
{
	struct sigaction action;

	if (sigismember(blocked, sig) || sigaction(sig, NULL, &action) < 0)
		return false;
	return (action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_IGN;
}

int pj_quiet_begin(struct pj_quiet *q)
{
	sigemptyset(&q->watched);
	if (pthread_sigmask(SIG_BLOCK, &q->watched, &q->before) != 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (is_heeded(signals[i], &q->before))
			sigaddset(&q->watched, signals[i]);
	q->fd = signalfd(-1, &q->watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (q->fd < 0)
		return -errno;
	pj_quiet_resume(q);
	return 0;
}

void pj_quiet_pause(const struct pj_quiet *q)
{
	pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

void pj_quiet_resume(const struct pj_quiet *q)
{
	pthread_sigmask(SIG_BLOCK, &q->watched, NULL);
}

void pj_quiet_end(struct pj_quiet *q)
{
	close(q->fd);
	q->fd = -1;
	pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}
