/* Times of the wire: what is read is an instant, and its own text reads back as the same one. */
#include <errno.h>

#include "clock.h"
#include "fuzz.h"
#include "grace.h"

#define LAST 253402300799 /* 9999-12-31T23:59:59Z */
#define DAY  86400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_all(data, size), shown[JIT_ISO_SIZE];
	int64_t at = INT64_MIN, again;
	uint32_t grace = 7;

	int r = jit_iso_parse(text, &at);
	if (r == 0) {
		const char last = text[strlen(text) - 1];

		FUZZ_CHECK(at > -DAY && at < LAST + DAY);
		jit_iso_format(at, shown);
		if (at < 0 || at > LAST) {
			FUZZ_CHECK(!shown[0]);
		} else {
			FUZZ_CHECK(strlen(shown) == JIT_ISO_SIZE - 1);
			FUZZ_CHECK(jit_iso_parse(shown, &again) == 0 && again == at);
			/* No date is taken for another one: what is said in UTC is shown as it was said. */
			if (last == 'Z' || last == 'z')
				FUZZ_CHECK(memcmp(text, shown, 10) == 0 && memcmp(text + 11, shown + 11, 8) == 0);
		}
	} else {
		FUZZ_CHECK(r == -EINVAL && at == INT64_MIN);
	}
	r = pj_grace_parse(text, &grace);
	FUZZ_CHECK(r == 0 || (r == -EINVAL && grace == 7));
	if (size >= sizeof(at)) {
		memcpy(&at, data, sizeof(at));
		jit_iso_format(at, shown);
		FUZZ_CHECK((at < 0 || at > LAST) == !shown[0]);
		FUZZ_CHECK(!shown[0] || (jit_iso_parse(shown, &again) == 0 && again == at));
	}
	free(text);
	return 0;
}
