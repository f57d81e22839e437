/* A folder that the helper needs, where nobody but root and the helper can put another: made if it is not there. */
#ifndef JH_FOLDER_H
#define JH_FOLDER_H

#include <stddef.h>
#include <sys/types.h>

/* Whose a new one becomes, whatever the umask. Whose an old one is, the caller looks at. */
struct jh_folder {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* A descriptor of it that the caller closes, or -errno with a sentence. */
int jh_folder_open(const char *path, const struct jh_folder *new, char *why, size_t why_size);

/* Who the helper will be: that user, or this process where it is not root. -ENOENT: there is no such user; -errno. */
int jh_folder_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

#endif
