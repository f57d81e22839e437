/* See jit_doc.h. */
#include "jit_doc.h"

#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "text.h"

enum jit_exit jit_doc_senseless(void)
{
	fputs("jit: the answer of jit-helper makes no sense; install the same version of both\n", stderr);
	return JIT_EXIT_INTERNAL;
}

struct json_object *jit_doc_read(const struct jit_frame *frame)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *read = NULL;
	const uint8_t *json;
	size_t len;

	if (tokener && jit_frame_get(frame, JIT_T_JSON, 0, &json, &len))
		read = json_tokener_parse_ex(tokener, (const char *)json, (int)len);
	if (tokener)
		json_tokener_free(tokener);
	if (json_object_is_type(read, json_type_object))
		return read;
	json_object_put(read);
	(void)jit_doc_senseless();
	return NULL;
}

static struct json_object *member(struct json_object *json, const char *name, enum json_type type)
{
	struct json_object *value = NULL;

	/* json-c asserts on members of what is no object. */
	if (!json_object_is_type(json, json_type_object) || !json_object_object_get_ex(json, name, &value))
		return NULL;
	return json_object_is_type(value, type) ? value : NULL;
}

struct json_object *jit_doc_list(struct json_object *json, const char *name)
{
	return member(json, name, json_type_array);
}

struct json_object *jit_doc_object(struct json_object *json, const char *name)
{
	return member(json, name, json_type_object);
}

const char *jit_doc_text(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *value = member(json, name, json_type_string);

	jit_text_clean_str(buf, size, value ? json_object_get_string(value) : "");
	return buf;
}

int64_t jit_doc_number(struct json_object *json, const char *name)
{
	struct json_object *value = member(json, name, json_type_int);

	return value ? json_object_get_int64(value) : 0;
}

bool jit_doc_true(struct json_object *json, const char *name)
{
	struct json_object *value = member(json, name, json_type_boolean);

	return value && json_object_get_boolean(value);
}

bool jit_doc_false(struct json_object *json, const char *name)
{
	struct json_object *value = member(json, name, json_type_boolean);

	return value && !json_object_get_boolean(value);
}

const char *jit_doc_join(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *list = jit_doc_list(json, name);
	char joined[2048] = "";
	size_t len = 0;

	for (size_t i = 0; list && i < json_object_array_length(list) && len < sizeof(joined); i++) {
		struct json_object *text = json_object_array_get_idx(list, i);
		const char *word = json_object_is_type(text, json_type_string) ? json_object_get_string(text) : "?";

		len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s%s", i ? ", " : "", word);
	}
	jit_text_clean_str(buf, size, joined);
	return buf;
}
