/* See jit_keys.h. */
#include "jit_keys.h"

#include <string.h>

#include "jit.h"
#include "jit_doc.h"

const char *const jit_key_names[JIT_KEYS] = {
	"AWS_ACCESS_KEY_ID",
	"AWS_SECRET_ACCESS_KEY",
	"AWS_SESSION_TOKEN",
	"AWS_CREDENTIAL_EXPIRATION",
};
/* Their names in the document. */
static const char *const members[JIT_KEYS] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};

bool jit_keys_read(const char *json, size_t len, struct jit_keys *ret)
{
	struct jit_flat flat = {.at = json, .end = json + len};
	struct jit_keys keys = {0};

	if (!jit_flat_text(&flat, "{") || !jit_flat_text(&flat, "\"Version\"") || !jit_flat_text(&flat, ":") ||
	    !jit_flat_text(&flat, "1"))
		return false;
	for (size_t i = 0; i < JIT_KEYS; i++)
		if (!jit_flat_text(&flat, ",") || !jit_flat_member(&flat, members[i], JIT_FRAME_MAX, &keys.value[i]))
			return false;
	if (!jit_flat_text(&flat, "}") || flat.at != flat.end)
		return false;
	*ret = keys;
	return true;
}

/* How a shell is told: what stands before and after each name and value, and what a single quote in a value becomes. */
struct dialect {
	const char *begin, *set, *assign, *after, *between, *end, *quote;
};

static const struct dialect dialects[] = {
	[JIT_SHELL_SH] = {"", "export ", "='", "'", "\n", "\nunset AWS_PROFILE\n", "'\\''"},
	[JIT_SHELL_FISH] = {"", "set -gx ", " '", "'", "\n", "\nset -e AWS_PROFILE\n", "\\'"},
	[JIT_SHELL_JSON] = {"{", "\"", "\":\"", "\"", ",", "}\n", "'"},
};

struct writer {
	char *at, *end;
	bool full;
};

static void add(struct writer *w, const char *text, size_t len)
{
	w->full |= len > (size_t)(w->end - w->at);
	if (w->full)
		return;
	memcpy(w->at, text, len);
	w->at += len;
}

static void add_quoted(struct writer *w, struct jit_span value, const char *quote)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] == '\'')
			add(w, quote, strlen(quote));
		else
			add(w, value.at + i, 1);
}

size_t jit_keys_format(const struct jit_keys *keys, enum jit_shell shell, char *buf, size_t size)
{
	const struct dialect *d = &dialects[shell];
	struct writer w = {.at = buf, .end = buf + size};

	add(&w, d->begin, strlen(d->begin));
	for (size_t i = 0; i < JIT_KEYS; i++) {
		const char *head[] = {i ? d->between : "", d->set, jit_key_names[i], d->assign};

		for (size_t k = 0; k < sizeof(head) / sizeof(head[0]); k++)
			add(&w, head[k], strlen(head[k]));
		add_quoted(&w, keys->value[i], d->quote);
		add(&w, d->after, strlen(d->after));
	}
	add(&w, d->end, strlen(d->end));
	return w.full ? 0 : (size_t)(w.at - buf);
}

enum jit_exit jit_keys_fetch(const char *socket_path, struct jit_frame *frame, struct jit_keys *ret)
{
	const uint8_t *json;
	size_t len;
	enum jit_exit status = jit_call_credentials(socket_path, frame);

	if (status != JIT_EXIT_OK)
		return status;
	if (!jit_frame_get(frame, JIT_T_JSON, 0, &json, &len) || !jit_keys_read((const char *)json, len, ret))
		return jit_doc_senseless();
	return JIT_EXIT_OK;
}
