/* See unasked.h. */
#include "unasked.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

#define LONGEST_US 1000

static void on_alarm(int signo)
{
	(void)signo; /* that it is due is all: it ends the wait */
}

/* Again and again, as the first may strike before the wait begins. */
static void limit_begin(void)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval often = {.it_interval.tv_usec = LONGEST_US, .it_value.tv_usec = LONGEST_US};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void limit_end(void)
{
	const struct itimerval none = {.it_value.tv_usec = 0};

	setitimer(ITIMER_REAL, &none, NULL);
}

void jit_unasked_refuse(int listener)
{
	const int no = 0;

	/* Only newer kernels know it; with others jit_unasked_recv() and jit_unasked_close() are what there is. */
	(void)setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

int jit_unasked_recv(int fd, struct jit_frame *frame)
{
	limit_begin();
	int r = jit_frame_recv(fd, frame);
	limit_end();
	return r;
}

void jit_unasked_close(int fd)
{
	limit_begin();
	close(fd);
	limit_end();
}
