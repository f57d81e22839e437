/*
 * Hours of a role, on the clocks of a zone whose file came as it may: eight bytes are an instant, the next line a
 * window, what is left a TZif file. What is open is open, and ends when it is said to.
 */
#include "fuzz.h"
#include "hours.h"
#include "zone.h"

#define WEEK (7 * 86400)

/* `exact`: its clocks are whole minutes off, as all are by now; a made-up file may say otherwise. */
static void ask(const struct jb_hours *hours, int64_t at, bool exact)
{
	char clock[JB_HOURS_CLOCK_SIZE], text[256];
	const struct jb_window *open = jb_hours_open(hours, at);
	int64_t until = jb_hours_until(hours, at, at + WEEK);

	FUZZ_CHECK(until >= at && until <= at + WEEK && (until > at) == (open != NULL));
	if (open) {
		FUZZ_CHECK(!exact || jb_hours_open(hours, until - 1));
		FUZZ_CHECK(until == at + WEEK || !jb_hours_open(hours, until));
		jb_hours_clock(open, at, clock);
		FUZZ_CHECK(strlen(clock) > strlen("Mon 00:00 ()"));
	}
	jb_hours_text(hours, text, sizeof(text));
	FUZZ_CHECK(!hours->count || text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint64_t raw = (uint64_t)fuzz_u32(&in) << 32;
	struct jb_hours hours = {0}, again = {0};
	char why[256] = "";
	size_t len;

	int64_t at = (int64_t)((raw | fuzz_u32(&in)) % 253402300799U);
	char *text = fuzz_text(&in, '\n');
	uint8_t *file = fuzz_bytes(&in, SIZE_MAX, &len);
	if (jb_hours_add(&hours, text, 1, why, sizeof(why))) {
		/* Its own text says the same. */
		FUZZ_CHECK(jb_hours_add(&again, hours.window[0].text, 1, why, sizeof(why)));
		FUZZ_CHECK(strcmp(again.window[0].text, hours.window[0].text) == 0);
		ask(&hours, at, at > 100000000);
		struct jb_zone *zone = jb_zone_parse("Fuzz/Zone", file, len, why, sizeof(why));
		if (zone) {
			jb_zone_free(hours.window[0].zone);
			hours.window[0].zone = zone;
			ask(&hours, at, false);
		}
	} else {
		FUZZ_CHECK(why[0]);
	}
	jb_hours_clear(&hours);
	jb_hours_clear(&again);
	free(text);
	free(file);
	return 0;
}
