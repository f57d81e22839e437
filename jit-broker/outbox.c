/* See outbox.h: what is the same in every store. */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doc.h"

void jb_outbox_row_clear(struct jb_outbox_row *row)
{
	free(row->notice.channel);
	free(row->notice.receiver);
	free(row->notice.about);
	free(row->notice.event);
	free(row->notice.doc);
	free(row->error);
	*row = (struct jb_outbox_row){0};
}

void jb_outbox_rows_clear(struct jb_outbox_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		jb_outbox_row_clear(&rows->row[i]);
	free(rows->row);
	*rows = (struct jb_outbox_rows){0};
}

char *jb_outbox_given_up(const struct jb_outbox_row *row)
{
	JB_DOC doc = {json_object_new_object()};
	char since[JIT_ISO_SIZE];
	const struct {
		const char *name, *text;
	} texts[] = {{"delivery", row->notice.id},
		     {"receiver", row->notice.receiver},
		     {"event", row->notice.event},
		     {"about", row->notice.about},
		     {"since", since},
		     {"why", row->error ? row->error : "it was never tried"}};

	jit_iso_format(row->notice.at, since);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		jb_doc_text(&doc, texts[i].name, texts[i].text);
	return jb_doc_string(&doc);
}
