/* A record of the chain, read: its members by name. What a record is, audit.h says. */
#ifndef JB_AUDIT_RECORD_H
#define JB_AUDIT_RECORD_H

#include <stdint.h>

struct json_object;

struct jb_record {
	struct json_object *json; /* owns the rest */
	int64_t at;
	const char *action, *actor, *request_id; /* "" where it has none */
};

/* 0 or -EINVAL: no record. */
int jb_record_read(const char *text, struct jb_record *ret);
void jb_record_clear(struct jb_record *record);
/* A text of its detail; "" where there is none. */
const char *jb_record_detail(const struct jb_record *record, const char *name);

#endif
