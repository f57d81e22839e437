/* A document of JSON under construction: whole, or not at all. */
#ifndef JB_DOC_H
#define JB_DOC_H

#include "json.h"

/* Begins as a new object or array. One failed step makes the whole NULL, which the caller sees at the end. */
struct jb_doc {
	json_object *json;
};
void jb_doc_clear(struct jb_doc *doc);
#define JB_DOC JIT_CLEANUP(jb_doc_clear) struct jb_doc

/* A member of the object, an element of the array: `value` is then the document's, or nobody's. NULL fails. */
void jb_doc_put(struct jb_doc *doc, const char *name, json_object *value);
void jb_doc_text(struct jb_doc *doc, const char *name, const char *text);
void jb_doc_append(struct jb_doc *doc, json_object *value);

/* Its text, the caller's to free; NULL: a step has failed, or there is no memory. */
char *jb_doc_string(const struct jb_doc *doc);

#endif
