/*
 * The lines of a PAM file as libpam assembles them: continuations ("\" at the
 * end) joined, comments gone; and where in the text each of them stands, for who
 * changes that text.
 */
#ifndef JD_LINE_H
#define JD_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define JD_PAM_LINE_SIZE 1024 /* libpam's buffer, before 1.6; a longer line makes it give up the file */
#define JD_PAM_BLANKS	 " \n\t"

/* Before the first call: text and len, all else 0. */
struct jd_pam_cursor {
	const char *text;
	size_t len;
	size_t at;		     /* what follows the line */
	size_t from;		     /* where its first byte that is no comment's and no blank line's stands */
	unsigned first, last;	     /* numbers of its lines in the text */
	bool broken;		     /* longer than libpam takes, or it promised to go on and did not */
	char line[JD_PAM_LINE_SIZE]; /* to be taken apart by jd_pam_token */
};

/* False at the end. */
bool jd_pam_next(struct jd_pam_cursor *cursor);

/* The next token of *at, in place: a bracketed text without its brackets ("\]" is a bracket in it), or a word. */
char *jd_pam_token(char **at);

#endif
