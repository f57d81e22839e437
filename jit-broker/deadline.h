/*
 * Deadlines that thousands have alike: long polls and connections have one of a few lengths each. The loop keeps those
 * of one length as a list, to which setting one and taking it back are single steps however many there are; others it
 * keeps as a heap.
 */
#ifndef JB_DEADLINE_H
#define JB_DEADLINE_H

struct event;
struct event_base;

/* The timer comes so many milliseconds from now, or at once where there is no memory; one that was set is set anew. */
void jb_deadline_set(struct event *timer, unsigned ms);

/* A new loop has room for all timers that are no deadlines, so that none is lost for lack of memory. 0 or -ENOMEM. */
int jb_deadline_reserve(struct event_base *base);

#endif
