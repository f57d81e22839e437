/*
 * The terminals of an elevation, for the few lines that are said unasked: the
 * descriptor that came with its OPEN, else the controlling terminal of its
 * process, else those of its audit session. Written without ever waiting; a
 * terminal that takes nothing misses the line. What is no terminal is never
 * written to.
 */
#ifndef JH_TERMINAL_H
#define JH_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct jh_elevation;

#define JH_TERMINALS_MAX 64 /* as many as one requester can have sessions */

/* Terminals that have been told already, so that none is told twice. */
struct jh_told {
	dev_t device[JH_TERMINALS_MAX];
	size_t count;
};

/* A terminal, opened for writing, on which a write cannot wait? What else came is no use. */
bool jh_terminal_usable(int fd);
/* The path of a controlling terminal by /proc's device number; false for what is no pseudo-terminal. */
bool jh_terminal_path(int tty, char *buf, size_t size);

/* Says the line on the terminals of the elevation, but for those that were told. */
void jh_terminal_say(const struct jh_elevation *elevation, const char *line, struct jh_told *told);

#endif
