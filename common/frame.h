/*
 * One frame of the helper's protocol: a SOCK_SEQPACKET packet of a four-byte
 * header and tagged fields (docs/protocol-helper.md). libc only: the PAM module
 * and `jit` speak it too. What the types and tags mean stands in proto.h.
 *
 *   byte 0-1  'P' 'J'      byte 2  version      byte 3  type
 *   then fields: tag (1 byte), length (2 bytes, big-endian), value
 */
#ifndef JIT_FRAME_H
#define JIT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JIT_FRAME_MAX	  16384 /* bytes, header included */
#define JIT_FRAME_VERSION 1

struct jit_frame {
	size_t len;
	bool overflow; /* a put did not fit: the frame can no longer be sent */
	uint8_t data[JIT_FRAME_MAX];
};

/*
 * Building. A put that does not fit marks the frame; jit_frame_send then refuses it. What stood in the frame before is
 * not looked at: whoever begins one anew that held a secret wipes it first.
 */
void jit_frame_start(struct jit_frame *f, uint8_t type);
void jit_frame_put(struct jit_frame *f, uint8_t tag, const void *value, size_t len);
/* A NUL-terminated text without its NUL; NULL puts nothing. */
void jit_frame_put_str(struct jit_frame *f, uint8_t tag, const char *s);
void jit_frame_put_u32(struct jit_frame *f, uint8_t tag, uint32_t value);

/*
 * Sends the frame as one packet (MSG_NOSIGNAL, MSG_DONTWAIT: our frames are far
 * smaller than a socket's buffer, so a peer that does not read is at fault).
 * 0, -EMSGSIZE on overflow, -EAGAIN when the peer does not read, -errno.
 */
int jit_frame_send(int fd, const struct jit_frame *f);
/* The same with a descriptor (SCM_RIGHTS), which stays the caller's; -1 sends none. */
int jit_frame_send_fd(int fd, const struct jit_frame *f, int passed);

/*
 * Receives one packet without waiting and checks header and field lengths. What
 * the frame held is wiped, whatever is returned: it has been begun or received
 * before, or begins as {0}.
 * Descriptors that come along are closed by the kernel, not taken.
 * 1: a frame; 0: the peer has closed; -EAGAIN: nothing there; -EPROTO: wrong
 * magic or version, or fields that do not add up; -EMSGSIZE: too large; -errno.
 */
int jit_frame_recv(int fd, struct jit_frame *f);
/*
 * The same, and the one descriptor that came along (SCM_RIGHTS), CLOEXEC and
 * the caller's to close whatever is returned; -1 when none came, or more.
 */
int jit_frame_recv_fd(int fd, struct jit_frame *f, int *ret_passed);

/* Checks what stands in data[0..len). 0 or -EPROTO. jit_frame_recv has called it already. */
int jit_frame_check(const struct jit_frame *f);

uint8_t jit_frame_type(const struct jit_frame *f);

/*
 * The `nth` (from 0) field with that tag: a pointer into the frame and its
 * length. False, and outputs untouched, when there is none.
 */
bool jit_frame_get(const struct jit_frame *f, uint8_t tag, unsigned nth, const uint8_t **ret, size_t *ret_len);
/*
 * Copies a text field, NUL-terminated. 0; -ENOENT when absent; -EPROTO when it
 * is longer than size - 1, holds a NUL, or stands there twice. buf is "" on error.
 */
int jit_frame_get_str(const struct jit_frame *f, uint8_t tag, char *buf, size_t size);
/* 0; -ENOENT when absent; -EPROTO when of another size or there twice. */
int jit_frame_get_u32(const struct jit_frame *f, uint8_t tag, uint32_t *ret);

/*
 * Wipes all that was put or received: for frames that carried a token or a credential. Only for one that was begun or
 * received, or is {0}: of any other the length says nothing.
 */
void jit_frame_wipe(struct jit_frame *f);

#endif
