/*
 * A notice as a mail: RFC 5322, plain text in UTF-8, quoted-printable. No header
 * takes a text that could begin another one. No I/O.
 */
#ifndef JB_MAIL_H
#define JB_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

struct jb_mail {
	const char *from, *to; /* addresses: jb_mail_is_address */
	const char *id;	       /* the delivery's: Message-ID is <ID@domain of from> */
	const char *reply_to;  /* the id of the delivery that began the thread; NULL: this one does */
	int64_t date;	       /* epoch seconds */
	const char *link;      /* "" for none */
	const struct jb_message *message;
};

/* name@domain, plain ASCII, without what an address in angle brackets or a header could trip over. */
bool jb_mail_is_address(const char *text);
/* Lines end with CR LF. NULL: out of memory. The caller frees. */
char *jb_mail_format(const struct jb_mail *mail, size_t *ret_len);

#endif
