/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "text.h"

#define LINE_MAX_BYTES 2048

void jit_log(int priority, const char *format, ...)
{
	char raw[LINE_MAX_BYTES], clean[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 8];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	jit_text_clean_str(clean, sizeof(clean), raw);
	int n = snprintf(line, sizeof(line), "<%d>%s\n", priority, clean);
	/* One write a line: lines of two processes on one pipe do not mix. */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
