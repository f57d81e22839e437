/* See elevation.h. */
#include "elevation.h"

#include "frame.h"
#include "proto.h"
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_NAME "pam_jit:elevation"

struct elevation {
	int fd;
	dev_t dev; /* the socket behind fd, so that a number which the host has closed and used again is left alone */
	ino_t ino;
	int32_t key;
	pid_t owner;
};

static bool is_ours(const struct elevation *e)
{
	struct stat st;

	return fstat(e->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == e->dev && st.st_ino == e->ino;
}

/*
 * PAM's cleanup: on close_session, on pam_end without one, and in the children
 * of su and login, which inherit the handle. A child gives back its copy of the
 * descriptor; the elevation is not its to end.
 */
static void release(pam_handle_t *pamh, void *data, int status)
{
	struct elevation *e = data;
	bool ours = is_ours(e);

	(void)pamh, (void)status;
	if (e->owner == getpid()) {
		struct jit_frame bye;

		jit_frame_start(&bye, JIT_F_CLOSE);
		if (ours)
			(void)jit_frame_send(e->fd, &bye); /* the close that follows says the same */
		if (e->key)
			pj_ring_drop(e->key);
	}
	if (ours)
		close(e->fd);
	free(e);
}

int pj_elevation_keep(pam_handle_t *pamh, int fd, int32_t key)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	struct elevation *e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct elevation){.fd = fd, .dev = st.st_dev, .ino = st.st_ino, .key = key, .owner = getpid()};
	if (pam_set_data(pamh, DATA_NAME, e, release) != PAM_SUCCESS) {
		free(e);
		return -ENOMEM;
	}
	return 0;
}

bool pj_elevation_end(pam_handle_t *pamh)
{
	const void *kept = NULL;

	if (pam_get_data(pamh, DATA_NAME, &kept) != PAM_SUCCESS || !kept)
		return false;
	/* Replacing what is kept calls release() on it. */
	pam_set_data(pamh, DATA_NAME, NULL, NULL);
	return true;
}
