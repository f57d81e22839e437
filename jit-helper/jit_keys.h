/* The session's AWS credentials as environment variables, for `jit env` and `jit exec`. No copy outlives the caller's
 * wipe. */
#ifndef JIT_KEYS_H
#define JIT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "flat.h"
#include "proto.h"

struct jit_frame;

enum { JIT_KEYS = 4 };
/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. */
extern const char *const jit_key_names[JIT_KEYS];

/* Their values, in the order of the names; they point into the text that was read. */
struct jit_keys {
	struct jit_span value[JIT_KEYS];
};

/* Reads the document of credential_process (docs/protocol-helper.md). False: it is none. */
bool jit_keys_read(const char *json, size_t len, struct jit_keys *ret);

enum jit_shell { JIT_SHELL_SH, JIT_SHELL_FISH, JIT_SHELL_JSON };

/*
 * Commands that set them in that shell, or an object of them; every value quoted
 * so that it is data whatever stands in it. AWS_PROFILE is unset, since the SDK
 * for JavaScript takes a profile before variables. Returns the length; 0: it does
 * not fit.
 */
size_t jit_keys_format(const struct jit_keys *keys, enum jit_shell shell, char *buf, size_t size);

/*
 * Asks jit-helper for them, from when on this process cannot be dumped. They
 * point into the frame, which the caller wipes in any case. Else an exit status,
 * its sentence told.
 */
enum jit_exit jit_keys_fetch(const char *socket_path, struct jit_frame *frame, struct jit_keys *ret);

#endif
