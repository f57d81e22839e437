/*
 * Descriptors that nobody asked for. Whoever may connect to a Unix socket can
 * send some along, and the last one to close a TCP socket that lingers
 * (SO_LINGER, socket(7)) waits in the kernel for as long as its sender pleases:
 * a daemon whose one loop serves everybody, when it reads what they came with,
 * or closes a connection on which that lies unread.
 *
 * So the kernel is told to take none (Linux 6.16), and what a connection still
 * brings is closed with a signal due, for which no linger waits: it costs a
 * millisecond at most. Uses SIGALRM and ITIMER_REAL.
 */
#ifndef JIT_UNASKED_H
#define JIT_UNASKED_H

#include "frame.h"

/* For a listening socket: nobody who connects from now on can send a descriptor. An older kernel lets them. */
void jit_unasked_refuse(int listener);
/* jit_frame_recv(), that waits for no descriptor's end. */
int jit_unasked_recv(int fd, struct jit_frame *frame);
/* close(2) of a connection, or of a listening socket with those in its queue, that waits for none either. */
void jit_unasked_close(int fd);

#endif
