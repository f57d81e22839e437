/* See audit.h. */
#include "audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "json_read.h"

static bool put_text(json_object *record, const char *name, const char *text)
{
	return !text || jit_json_add(record, name, json_object_new_string(text));
}

int jb_audit_detail(const struct jb_audit *audit, json_object **ret)
{
	JIT_JSON json_object *detail = NULL;
	int r = audit->detail ? jit_json_read(audit->detail, strlen(audit->detail), JIT_JSON_DEPTH, &detail) : 0;

	if (r == 0 && audit->detail && !json_object_is_type(detail, json_type_object))
		r = -EINVAL;
	if (r == 0)
		*ret = JIT_TAKE(detail);
	return r;
}

int jb_audit_format(int64_t seq, const char *prev, const struct jb_audit *audit, char **ret_text,
		    char hash[static JB_HASH_SIZE])
{
	JIT_JSON json_object *record = json_object_new_object();
	JIT_JSON json_object *detail = NULL;
	char at[JIT_ISO_SIZE];

	int r = jb_audit_detail(audit, &detail);
	if (r < 0)
		return r;
	jit_iso_format(audit->at, at);
	if (!jit_json_add(record, "seq", json_object_new_int64(seq)) || !put_text(record, "at", at) ||
	    !put_text(record, "action", audit->action) || !put_text(record, "actor", audit->actor) ||
	    !put_text(record, "requestId", audit->request_id) ||
	    (detail && !jit_json_add(record, "detail", json_object_get(detail))) || !put_text(record, "prev", prev))
		return -ENOMEM;
	const char *text = jit_json_text(record, NULL);
	char *copy = text ? strdup(text) : NULL;
	if (!copy)
		return -ENOMEM;
	if (jb_sha256_hex(copy, strlen(copy), hash) < 0) {
		free(copy);
		return -EIO;
	}
	*ret_text = copy;
	return 0;
}

static const char *text_of(json_object *record, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(record, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

const char *jb_audit_flaw(const struct jb_audit_row *row, int64_t seq, const char *prev)
{
	char computed[JB_HASH_SIZE];
	json_object *number;

	if (row->seq != seq)
		return "it is missing";
	if (!row->text || !row->hash || jb_sha256_hex(row->text, row->len, computed) < 0 ||
	    strcmp(computed, row->hash) != 0)
		return "its text and its hash do not belong together";
	JIT_JSON json_object *record = NULL;
	if (jit_json_read(row->text, row->len, JIT_JSON_DEPTH, &record) == -ENOMEM)
		return "there is no memory to look at it";
	if (!json_object_is_type(record, json_type_object) || !json_object_object_get_ex(record, "seq", &number))
		return "it is no record";
	if (json_object_get_int64(number) != seq)
		return "it says that it is another one";
	return strcmp(text_of(record, "prev"), prev) == 0 ? NULL : "it does not follow the record before it";
}

char *jb_audit_show(const char *text, const char *hash)
{
	size_t len = strlen(text);
	char *shown;

	/* The text ends with its object's brace; the hash goes before it. */
	if (len == 0 || asprintf(&shown, "%.*s,\"hash\":\"%s\"}", (int)(len - 1), text, hash) < 0)
		return NULL;
	return shown;
}
