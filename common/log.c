/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

#define LINE_MAX_BYTES 2048

/* systemd names the journal's stream as DEVICE:INODE; a person, a pipe and a file get the sentence alone. */
static bool to_journal(void)
{
	const char *named = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!named || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, named) == 0;
}

void jit_log(int priority, const char *format, ...)
{
	char raw[LINE_MAX_BYTES], clean[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 8];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	jit_text_clean_str(clean, sizeof(clean), raw);
	int n = to_journal() ? snprintf(line, sizeof(line), "<%d>%s\n", priority, clean)
			     : snprintf(line, sizeof(line), "%s\n", clean);
	/* One write a line: lines of two processes on one pipe do not mix. */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
