/*
 * JSON of secrets, read where it lies: a flat object of strings without
 * escapes, in an order agreed upon or in any; or one value out of an object of
 * any kind. A JSON library would leave copies of them in heap blocks that nobody
 * wipes. libc only.
 */
#ifndef JIT_FLAT_H
#define JIT_FLAT_H

#include <stdbool.h>
#include <stddef.h>

/* A part of the text; not NUL-terminated. */
struct jit_span {
	const char *at;
	size_t len;
};

/* Where the reader stands, and what is still to come. */
struct jit_flat {
	const char *at, *end;
};

/* Each of these moves behind what it has read and the blanks around it; where it says false, it stands as before. */

/* This very text: a brace, a comma, a member that is always the same. */
bool jit_flat_text(struct jit_flat *flat, const char *text);
/* `"name":"value"`: the value is 1 to `max` bytes of visible ASCII without quote and backslash. */
bool jit_flat_member(struct jit_flat *flat, const char *name, size_t max, struct jit_span *ret);

/* A member to look for, and where its value lies; .at NULL: it is not there. */
struct jit_flat_want {
	const char *name;
	size_t max; /* bytes */
	struct jit_span value;
};

/*
 * Another's object of strings, whole: in any order, with any blanks, the wanted members at most once each and of the
 * form above, others passed over. False: it is anything else; the values found so far are of no use then.
 */
bool jit_flat_object(const char *text, size_t len, struct jit_flat_want *wants, size_t count);

#define JIT_FLAT_DEPTH 8 /* of arrays and objects within a member's value */

/*
 * The value of the first member of that name, as it stands there: with a string's quotes, with a nested object's
 * braces. Members before it are passed over whatever they are; what comes after it is not looked at. False: it is not
 * there, or what comes before it is no JSON.
 */
bool jit_flat_value(struct jit_span object, const char *name, struct jit_span *ret);
/* What such a value has between its quotes, escapes and all. False: it is no string. */
bool jit_flat_string(struct jit_span value, struct jit_span *ret);

#endif
