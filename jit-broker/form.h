/*
 * What a browser sends beside the head: cookies (RFC 6265) and the fields of a
 * form (application/x-www-form-urlencoded), read strictly. A name that is there
 * twice is refused, for whoever put the second one there is unknown. No I/O.
 */
#ifndef JB_FORM_H
#define JB_FORM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The value of a cookie out of a Cookie header (NULL: none was sent), as it is
 * written there. 0; -ENOENT; -EINVAL: there twice, or longer than size - 1.
 */
int jb_cookie(const char *header, const char *name, char *buf, size_t size);

/* Is that Content-Type (NULL: none) a form's? */
bool jb_form_is(const char *content_type);

/*
 * A field's decoded value out of a form's body; "" for one that is empty. 0;
 * -ENOENT; -EINVAL: there twice, wrongly encoded, not UTF-8, or longer than size - 1.
 */
int jb_form_field(const char *body, const char *name, char *buf, size_t size);

/* Text as it may stand in a cookie's value or a query, percent-encoded. False: it is longer than the buffer. */
bool jb_form_encode(const char *text, char *buf, size_t size);

#endif
