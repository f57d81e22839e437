/*
 * Frames as both sides take them off a socket: what comes through the check is
 * whole, reads the same by every reader, and is built anew to the same bytes.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "fuzz.h"
#include "proto.h"

static struct jit_frame sent, came, again;

static void deliver(const uint8_t *data, size_t size)
{
	int fds[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	FUZZ_CHECK(send(fds[0], data, size, 0) == (ssize_t)size);
	int r = jit_frame_recv(fds[1], &came);
	if (size == 0)
		FUZZ_CHECK(r == 0);
	else if (size > JIT_FRAME_MAX)
		FUZZ_CHECK(r == -EMSGSIZE);
	else
		FUZZ_CHECK(r == (jit_frame_check(&sent) == 0 ? 1 : -EPROTO));
	FUZZ_CHECK(r != 1 || (came.len == sent.len && memcmp(came.data, sent.data, sent.len) == 0));
	close(fds[0]);
	close(fds[1]);
}

/* One field, by each of the readers. */
static void read_tag(uint8_t tag)
{
	char text[JIT_COMMAND_SIZE], small[8];
	const uint8_t *value;
	uint32_t number = 0xfeedface;
	size_t len;
	bool there = jit_frame_get(&sent, tag, 0, &value, &len), twice = jit_frame_get(&sent, tag, 1, &value, &len);
	int r = jit_frame_get_str(&sent, tag, text, sizeof(text)),
	    s = jit_frame_get_str(&sent, tag, small, sizeof(small));
	int n = jit_frame_get_u32(&sent, tag, &number);

	FUZZ_CHECK((r == -ENOENT) == !there && (n == -ENOENT) == !there);
	FUZZ_CHECK(!twice || (r == -EPROTO && n == -EPROTO));
	FUZZ_CHECK(r == 0 || !text[0]);
	FUZZ_CHECK(s == 0 ? strcmp(small, text) == 0 : !small[0]);
	FUZZ_CHECK(n == 0 || number == 0xfeedface);
}

/* Field by field in their order, as a sender that has these fields builds it. */
static void rebuild(void)
{
	const uint8_t *value;
	unsigned nth[256] = {0};
	size_t len;

	jit_frame_start(&again, jit_frame_type(&sent));
	for (size_t at = again.len; at < sent.len; at = again.len) {
		uint8_t tag = sent.data[at];

		FUZZ_CHECK(jit_frame_get(&sent, tag, nth[tag]++, &value, &len));
		jit_frame_put(&again, tag, value, len);
		FUZZ_CHECK(again.len > at && !again.overflow);
	}
	FUZZ_CHECK(again.len == sent.len && memcmp(again.data, sent.data, sent.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > JIT_FRAME_MAX + 64)
		return 0;
	sent.len = size < JIT_FRAME_MAX ? size : JIT_FRAME_MAX;
	sent.overflow = false;
	memset(sent.data, 0, sizeof(sent.data));
	if (size)
		memcpy(sent.data, data, sent.len);
	deliver(data, size);
	if (size > JIT_FRAME_MAX || jit_frame_check(&sent) < 0)
		return 0;
	for (unsigned tag = 0; tag < 256; tag++)
		read_tag((uint8_t)tag);
	rebuild();
	return 0;
}
