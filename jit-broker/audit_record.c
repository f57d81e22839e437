/* See audit_record.h. */
#include "audit_record.h"

#include <errno.h>
#include <json-c/json.h>

#include "clock.h"
#include "json_read.h"

static const char *text_of(json_object *of, const char *name)
{
	json_object *value;

	return json_object_object_get_ex(of, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

int jb_record_read(const char *text, struct jb_record *ret)
{
	json_object *json = jit_json_of(text);
	int64_t at;

	if (!json_object_is_type(json, json_type_object) || jit_iso_parse(text_of(json, "at"), &at) < 0) {
		json_object_put(json);
		return -EINVAL;
	}
	*ret = (struct jb_record){.json = json,
				  .at = at,
				  .action = text_of(json, "action"),
				  .actor = text_of(json, "actor"),
				  .request_id = text_of(json, "requestId")};
	return 0;
}

void jb_record_clear(struct jb_record *record)
{
	json_object_put(record->json);
	*record = (struct jb_record){0};
}

const char *jb_record_detail(const struct jb_record *record, const char *name)
{
	json_object *detail;

	return json_object_object_get_ex(record->json, "detail", &detail) ? text_of(detail, name) : "";
}
