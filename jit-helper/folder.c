/* See folder.h. By descriptors: a name could be another thing's meanwhile. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "safepath.h"

#define PASSWD_BUF 16384

int jh_folder_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	char buf[PASSWD_BUF];
	struct passwd entry, *found = NULL;

	if (geteuid() != 0) {
		*ret_uid = geteuid();
		*ret_gid = getegid();
		return 0;
	}
	int error = getpwnam_r(name, &entry, buf, sizeof(buf), &found);
	if (error || !found)
		return error ? -error : -ENOENT;
	*ret_uid = found->pw_uid;
	*ret_gid = found->pw_gid;
	return 0;
}

int jh_folder_open(const char *path, const struct jh_folder *new, char *why, size_t why_size)
{
	struct jit_safepath way;
	JIT_CLOSE int above = jit_safepath_open(path, false, &way, why, why_size);

	if (above < 0)
		return above;
	const int trouble = mkdirat(above, way.name, new->mode) == 0 ? 0 : -errno;
	const bool made = trouble == 0;
	JIT_CLOSE int fd = openat(above, way.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (!made || (fchown(fd, new->uid, new->gid) == 0 && fchmod(fd, new->mode) == 0)))
		return jit_take_fd(&fd);
	int r = -errno;
	if (r == -ENOENT && trouble) /* it is not there because it could not be made */
		r = trouble;
	if (made) /* as nobody's it would be in the way of the next start */
		unlinkat(above, way.name, AT_REMOVEDIR);
	if (r == -ENOTDIR || r == -ELOOP)
		snprintf(why, why_size, "%s must be a folder, and no symbolic link: move away what is there", path);
	else
		snprintf(why, why_size, "cannot make the folder %s: %s", path, strerror(-r));
	return r;
}
