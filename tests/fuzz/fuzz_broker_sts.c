/* What STS says: credentials come of nothing but an answer that has each of them once, and fit everywhere they go. */
#include "clock.h"
#include "fuzz.h"
#include "sts.h"
#include "text.h"

static void check_plain(const char *s, size_t size)
{
	FUZZ_CHECK(s[0] && strnlen(s, size) < size);
	for (; *s; s++)
		FUZZ_CHECK(*s > ' ' && *s <= '~' && *s != '"' && *s != '\\');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jb_sts_answer a;
	char *text = fuzz_all(data, size), why[512] = "", clean[256];
	bool passing;

	jb_sts_parse(text, size, &a);
	if (a.kind == JB_STS_CREDENTIALS) {
		check_plain(a.credentials.access_key_id, sizeof(a.credentials.access_key_id));
		check_plain(a.credentials.secret_access_key, sizeof(a.credentials.secret_access_key));
		check_plain(a.credentials.session_token, sizeof(a.credentials.session_token));
		FUZZ_CHECK(memmem(text, size, "AssumeRoleResponse", 18) && !memmem(text, size, "<!DOCTYPE", 9));
	} else if (a.kind == JB_STS_ERROR) {
		jit_text_clean_str(clean, sizeof(clean), a.message);
		FUZZ_CHECK(a.code[0] && strcmp(clean, a.message) == 0);
		jb_sts_explain(a.code, a.message, 400, why, sizeof(why), &passing);
		FUZZ_CHECK(why[0]);
	} else {
		FUZZ_CHECK(a.kind == JB_STS_MALFORMED);
	}
	explicit_bzero(&a, sizeof(a));
	free(text);
	return 0;
}
