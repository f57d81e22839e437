/* See doc.h. */
#include "doc.h"

#include <string.h>

void jb_doc_clear(struct jb_doc *doc)
{
	json_object_put(doc->json);
	doc->json = NULL;
}

void jb_doc_put(struct jb_doc *doc, const char *name, json_object *value)
{
	if (!jit_json_add(doc->json, name, value))
		jb_doc_clear(doc);
}

void jb_doc_text(struct jb_doc *doc, const char *name, const char *text)
{
	jb_doc_put(doc, name, json_object_new_string(text));
}

void jb_doc_append(struct jb_doc *doc, json_object *value)
{
	if (!jit_json_append(doc->json, value))
		jb_doc_clear(doc);
}

char *jb_doc_string(const struct jb_doc *doc)
{
	const char *text = jit_json_text(doc->json, NULL);

	return text ? strdup(text) : NULL;
}
