/*
 * What every fuzz target includes. A target is one LLVMFuzzerTestOneInput, which
 * gets bytes, gives them to the code as their real sender would, and says by
 * FUZZ_CHECK what must hold of the outcome whatever the bytes were.
 */
#ifndef JIT_FUZZ_H
#define JIT_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer keeps the input of a process that aborts. */
#define FUZZ_CHECK(condition)                                                                                          \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                 \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#define FUZZ_NEVER(what)                                                                                               \
	do {                                                                                                           \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);                                              \
		abort();                                                                                               \
	} while (0)

/* The input, taken from its front; what is taken beyond its end is zero. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | fuzz_byte(in);
	return value;
}

/* The next `len` bytes, or as many as there are, in a block of their own: AddressSanitizer sees a step beyond it. */
static inline uint8_t *fuzz_bytes(struct fuzz_input *in, size_t len, size_t *ret_len)
{
	size_t n = len < in->left ? len : in->left;
	uint8_t *bytes = malloc(n ? n : 1);

	FUZZ_CHECK(bytes);
	if (n)
		memcpy(bytes, in->at, n);
	in->at += n;
	in->left -= n;
	*ret_len = n;
	return bytes;
}

/* Likewise as a text, up to the first NUL or line's end among them where `until` is '\n', which is taken too. */
static inline char *fuzz_text(struct fuzz_input *in, char until)
{
	size_t n = 0;

	while (n < in->left && in->at[n] && in->at[n] != (uint8_t)until)
		n++;
	char *text = strndup((const char *)in->at, n);
	FUZZ_CHECK(text);
	n += n < in->left;
	in->at += n;
	in->left -= n;
	return text;
}

/* What there is up to the next 0x1e, which is taken too: a text of an input that has several. NULs within stay. */
static inline char *fuzz_part(struct fuzz_input *in, size_t *ret_len)
{
	const uint8_t *end = in->left ? memchr(in->at, 0x1e, in->left) : NULL;
	const size_t len = end ? (size_t)(end - in->at) : in->left;
	char *text = malloc(len + 1);

	FUZZ_CHECK(text);
	if (len)
		memcpy(text, in->at, len);
	text[len] = '\0';
	in->at += len + (end != NULL);
	in->left -= len + (end != NULL);
	*ret_len = len;
	return text;
}

/* All of the input as a text, a NUL behind it; the caller frees it. NULs within stay. */
static inline char *fuzz_all(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Credentials of the environment are taken in a Lambda function alone. */
static inline void fuzz_be_a_function(void)
{
	static const char *const set[][2] = {{"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"},
					     {"AWS_ACCESS_KEY_ID", "test"},
					     {"AWS_SECRET_ACCESS_KEY", "test"}};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		FUZZ_CHECK(setenv(set[i][0], set[i][1], 1) == 0);
}

#endif
