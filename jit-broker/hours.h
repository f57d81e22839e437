/*
 * Working hours, as a role's `hours` and `auto_approve` name them: windows of the
 * week on the clocks of a place. Pure functions of an instant.
 */
#ifndef JB_HOURS_H
#define JB_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jb_zone;

struct jb_window {
	char *text;    /* as it is written: "Mon-Fri 08:00-18:00 Europe/Berlin" */
	unsigned line; /* in jit-broker.conf */
	unsigned days; /* bit 0: Monday; the day on which it begins */
	int from, to;  /* minutes after midnight; where to < from it ends on the next day */
	struct jb_zone *zone;
};

/* Open where any of them is. */
struct jb_hours {
	struct jb_window *window;
	size_t count;
};

/*
 * Adds "DAYS HH:MM-HH:MM [ZONE]": days as Mon-Fri, Sat,Sun or daily; to 24:00 is
 * the day's end; UTC without a zone. False with a sentence in why.
 */
bool jb_hours_add(struct jb_hours *hours, const char *text, unsigned line, char *why, size_t why_size);
void jb_hours_clear(struct jb_hours *hours);

/* The first window that is open at that instant; NULL: none is. */
const struct jb_window *jb_hours_open(const struct jb_hours *hours, int64_t at);
/* Until when they stay open from that instant on: at most `latest`, and `from` itself where they are shut. */
int64_t jb_hours_until(const struct jb_hours *hours, int64_t from, int64_t latest);

/* "Mon 03:00 (Europe/Berlin)": what the clocks of the window's place show. */
#define JB_HOURS_CLOCK_SIZE 96
void jb_hours_clock(const struct jb_window *window, int64_t at, char buf[static JB_HOURS_CLOCK_SIZE]);
/* Every window's text, separated by ", ". Always NUL-terminated. */
void jb_hours_text(const struct jb_hours *hours, char *buf, size_t size);

#endif
