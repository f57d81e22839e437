/* See frame.h. */
#include "frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_LEN 4
#define FIELD_HEAD 3

void jit_frame_start(struct jit_frame *f, uint8_t type)
{
	f->data[0] = 'P';
	f->data[1] = 'J';
	f->data[2] = JIT_FRAME_VERSION;
	f->data[3] = type;
	f->len = HEADER_LEN;
	f->overflow = false;
}

void jit_frame_put(struct jit_frame *f, uint8_t tag, const void *value, size_t len)
{
	if (len > UINT16_MAX || len + FIELD_HEAD > JIT_FRAME_MAX - f->len) {
		f->overflow = true;
		return;
	}
	f->data[f->len] = tag;
	f->data[f->len + 1] = (uint8_t)(len >> 8);
	f->data[f->len + 2] = (uint8_t)len;
	if (len)
		memcpy(f->data + f->len + FIELD_HEAD, value, len);
	f->len += FIELD_HEAD + len;
}

void jit_frame_put_str(struct jit_frame *f, uint8_t tag, const char *s)
{
	if (s)
		jit_frame_put(f, tag, s, strlen(s));
}

void jit_frame_put_u32(struct jit_frame *f, uint8_t tag, uint32_t value)
{
	const uint8_t be[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};

	jit_frame_put(f, tag, be, sizeof(be));
}

int jit_frame_send(int fd, const struct jit_frame *f)
{
	return jit_frame_send_fd(fd, f, -1);
}

int jit_frame_send_fd(int fd, const struct jit_frame *f, int passed)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)f->data, .iov_len = f->len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (f->overflow)
		return -EMSGSIZE;
	if (passed >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed, sizeof(passed));
	}
	ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return (size_t)n == f->len ? 0 : -EIO;
}

/* The one descriptor of a message; room for a second one was not given, so the kernel has closed it. */
static int take_passed(struct msghdr *msg)
{
	const struct cmsghdr *c = msg->msg_controllen ? CMSG_FIRSTHDR(msg) : NULL;
	int passed;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&passed, CMSG_DATA(c), sizeof(passed));
	if (!(msg->msg_flags & MSG_CTRUNC))
		return passed;
	close(passed);
	return -1;
}

int jit_frame_recv(int fd, struct jit_frame *f)
{
	return jit_frame_recv_fd(fd, f, NULL);
}

int jit_frame_recv_fd(int fd, struct jit_frame *f, int *ret_passed)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = f->data, .iov_len = sizeof(f->data)};
	/* Without a control buffer a descriptor that is sent along is dropped by the kernel. */
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (ret_passed) {
		*ret_passed = -1;
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_LEN(sizeof(int)); /* CMSG_SPACE would leave room for two */
	}
	jit_frame_wipe(f); /* a shorter one would cover no more than its own length of it */
	f->overflow = false;
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (ret_passed)
		*ret_passed = take_passed(&msg);
	if (n == 0)
		return 0;
	f->len = (size_t)n;
	if (msg.msg_flags & MSG_TRUNC) {
		jit_frame_wipe(f);
		return -EMSGSIZE;
	}
	int r = jit_frame_check(f);
	return r < 0 ? r : 1;
}

int jit_frame_check(const struct jit_frame *f)
{
	if (f->len < HEADER_LEN || f->len > JIT_FRAME_MAX || f->data[0] != 'P' || f->data[1] != 'J' ||
	    f->data[2] != JIT_FRAME_VERSION)
		return -EPROTO;
	for (size_t at = HEADER_LEN; at < f->len;) {
		if (f->len - at < FIELD_HEAD)
			return -EPROTO;
		size_t len = (size_t)f->data[at + 1] << 8 | f->data[at + 2];
		if (len > f->len - at - FIELD_HEAD)
			return -EPROTO;
		at += FIELD_HEAD + len;
	}
	return 0;
}

uint8_t jit_frame_type(const struct jit_frame *f)
{
	return f->data[3];
}

bool jit_frame_get(const struct jit_frame *f, uint8_t tag, unsigned nth, const uint8_t **ret, size_t *ret_len)
{
	for (size_t at = HEADER_LEN; at + FIELD_HEAD <= f->len;) {
		size_t len = (size_t)f->data[at + 1] << 8 | f->data[at + 2];

		if (f->data[at] == tag && nth-- == 0) {
			*ret = f->data + at + FIELD_HEAD;
			*ret_len = len;
			return true;
		}
		at += FIELD_HEAD + len;
	}
	return false;
}

/* The one field with that tag: two of them would let two readers see two different things. */
static int get_single(const struct jit_frame *f, uint8_t tag, const uint8_t **ret, size_t *ret_len)
{
	const uint8_t *again;
	size_t again_len;

	if (!jit_frame_get(f, tag, 0, ret, ret_len))
		return -ENOENT;
	return jit_frame_get(f, tag, 1, &again, &again_len) ? -EPROTO : 0;
}

int jit_frame_get_str(const struct jit_frame *f, uint8_t tag, char *buf, size_t size)
{
	const uint8_t *value;
	size_t len;

	buf[0] = '\0';
	int r = get_single(f, tag, &value, &len);
	if (r < 0)
		return r;
	if (len >= size || memchr(value, '\0', len))
		return -EPROTO;
	memcpy(buf, value, len);
	buf[len] = '\0';
	return 0;
}

int jit_frame_get_u32(const struct jit_frame *f, uint8_t tag, uint32_t *ret)
{
	const uint8_t *value;
	size_t len;
	int r = get_single(f, tag, &value, &len);

	if (r < 0)
		return r;
	if (len != 4)
		return -EPROTO;
	*ret = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
	return 0;
}

void jit_frame_wipe(struct jit_frame *f)
{
	explicit_bzero(f->data, f->len);
	f->len = 0;
}
