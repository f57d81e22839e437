/* The log's lines: whole, cleaned, and with a priority only where the journal reads it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#include "log.h"
#include "logged.h"

/* What one message puts into a file that is standard error. JOURNAL_STREAM is `named`, or that file, or not there. */
static void said(const char *named, bool own, char *buf, size_t size)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(log_begin(), &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	unsetenv("JOURNAL_STREAM");
	if (own || named)
		setenv("JOURNAL_STREAM", own ? stream : named, 1);
	jit_log(LOG_WARNING, "disk %s", "full\nforged");
	log_end(buf, size);
}

static void a_person_reads_the_sentence_alone(void **state)
{
	char text[128];

	(void)state;
	said(NULL, false, text, sizeof(text));
	assert_string_equal(text, "disk full?forged\n");
	said("1:2", false, text, sizeof(text)); /* of a service that has sent its standard error elsewhere */
	assert_string_equal(text, "disk full?forged\n");
}

static void the_journal_reads_the_priority(void **state)
{
	char text[128];

	(void)state;
	said(NULL, true, text, sizeof(text));
	assert_string_equal(text, "<4>disk full?forged\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_person_reads_the_sentence_alone),
		cmocka_unit_test(the_journal_reads_the_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
