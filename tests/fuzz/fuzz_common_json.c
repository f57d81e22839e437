/* JSON: what is taken is what json-c's own reader takes it for, and reads back as the same once it is printed. */
#include <errno.h>

#include "fuzz.h"
#include "json.h"
#include "json_read.h"

#define DEPTH 16 /* json-c's own, 32, counts otherwise */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	JIT_JSON json_object *ours = NULL;
	JIT_JSON json_object *theirs = NULL;
	JIT_JSON json_object *again = NULL;
	uint8_t *block = fuzz_bytes(&in, size, &len); /* without a NUL behind it */
	char *text = fuzz_all(data, size);
	const int r = jit_json_read((const char *)block, len, DEPTH, &ours);

	FUZZ_CHECK(r == 0 || (r == -EINVAL && !ours));
	if (r == 0) {
		FUZZ_CHECK(strlen(text) == size);
		theirs = json_tokener_parse(text);
		FUZZ_CHECK(json_object_equal(ours, theirs));
	}
	if (ours) {
		const char *printed = jit_json_text(ours, &len);

		FUZZ_CHECK(printed && strlen(printed) == len);
		FUZZ_CHECK(jit_json_read(printed, len, DEPTH, &again) == 0 && json_object_equal(ours, again));
	}
	free(text);
	free(block);
	return 0;
}
