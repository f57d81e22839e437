/*
 * Ctrl-C, Ctrl-\, a closed terminal and kill during a wait, without a signal
 * handler: the signals are blocked, seen through a signalfd that is polled and
 * never read, and the mask is then restored, so that the host application gets
 * each of them as if the module had not been there.
 *
 * Signals that the host ignores (nohup) or has blocked itself are left alone: a
 * blocked signal becomes pending even where it is ignored, and would look like
 * somebody's wish to cancel.
 */
#ifndef PJ_QUIET_H
#define PJ_QUIET_H

#include <signal.h>

struct pj_quiet {
	int fd; /* readable while one of the signals is pending */
	sigset_t watched;
	sigset_t before; /* the mask to restore */
};

/* 0, or -errno with the mask as it was. */
int pj_quiet_begin(struct pj_quiet *q);

/* For a prompt: the host's own reading from the terminal deals with the signals meanwhile. */
void pj_quiet_pause(const struct pj_quiet *q);
void pj_quiet_resume(const struct pj_quiet *q);

/*
 * Closes and restores. A pending signal strikes in here: whatever must be said,
 * closed or undone has to be done before.
 */
void pj_quiet_end(struct pj_quiet *q);

#endif
