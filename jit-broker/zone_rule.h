/*
 * The rule at the end of a TZif file, by which the zone's clock is set after the
 * last change that the file lists: "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX TZ).
 */
#ifndef JB_ZONE_RULE_H
#define JB_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct jb_zone_day {
	enum { JB_DAY_MONTH, JB_DAY_JULIAN, JB_DAY_ZERO } kind; /* M10.5.0, J60 (never 29 February), 59 */
	int month, week, day;
	int64_t time; /* seconds after midnight, local */
};

struct jb_zone_rule {
	bool has_dst;
	int64_t std, dst; /* seconds ahead of UTC */
	struct jb_zone_day start, end;
};

/* Reads the text; false when it is no such rule. */
bool jb_zone_rule_parse(const char *text, struct jb_zone_rule *ret);
int64_t jb_zone_rule_offset(const struct jb_zone_rule *rule, int64_t at);

#endif
