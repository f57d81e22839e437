/* Text that is made safe is safe, however it is cut, and stays as it is the second time; numbers are read strictly. */
#include <errno.h>

#include "args.h"
#include "fuzz.h"
#include "text.h"

/* A reading of UTF-8 of its own: what it takes for a control or a format character must not be in clean text. */
static bool is_harmless(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < len; i++) {
		if (s[i] < ' ' || s[i] == 0x7f)
			return false;
		if (s[i] == 0xc2 && s[i + 1] < 0xa0) /* C1 */
			return false;
		if (s[i] == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] >= 0xa8 && s[i + 2] <= 0xae)) /* separators, bidi */
			return false;
		if (s[i] == 0xe2 && s[i + 1] == 0x81 && (s[i + 2] >= 0xa6 && s[i + 2] <= 0xa9)) /* isolates */
			return false;
	}
	return true;
}

static void clean(const uint8_t *data, size_t size, size_t room)
{
	char *once = malloc(room), *twice = malloc(room);

	FUZZ_CHECK(once && twice);
	size_t len = jit_text_clean(once, room, (const char *)data, size);
	FUZZ_CHECK(len < room && once[len] == '\0' && strlen(once) == len);
	FUZZ_CHECK(jit_utf8_valid(once, len) && is_harmless(once, len));
	FUZZ_CHECK(jit_text_clean_str(twice, room, once) == len && strcmp(once, twice) == 0);
	free(once);
	free(twice);
}

static void read_numbers(const char *text)
{
	char spoken[64], back[32];
	uint64_t number = 7, seconds = 7;
	int r = jit_parse_u64(text, UINT32_MAX, &number), d = jit_parse_duration(text, 31 * 86400, &seconds);

	FUZZ_CHECK(r == 0 || number == 7);
	FUZZ_CHECK(d == 0 ? seconds <= 31 * 86400 : seconds == 7);
	if (r == 0) {
		snprintf(back, sizeof(back), "%llu", (unsigned long long)number);
		FUZZ_CHECK(number <= UINT32_MAX && strcmp(back, text) == 0);
	}
	if (d == 0) {
		jit_format_duration(seconds, spoken, sizeof(spoken));
		FUZZ_CHECK(spoken[0]);
	}
	FUZZ_CHECK(!pj_is_name(text) || (text[0] && is_harmless(text, strlen(text))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t room = 1U + fuzz_byte(&in), len;
	uint8_t *raw = fuzz_bytes(&in, SIZE_MAX, &len);
	char *text = fuzz_all(raw, len);

	clean(raw, len, room);
	clean(raw, len, 4096);
	read_numbers(text);
	free(text);
	free(raw);
	return 0;
}
