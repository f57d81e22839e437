/* See doctor_module.h. */
#include "doctor_module.h"

#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_file.h"
#include "doctor_walk.h"
#include "proto.h"

static const char *const folders[] = {
	"/usr/lib/*/security",	     "/usr/lib/security",	  "/usr/lib64/security",     "/lib/*/security",
	"/usr/local/lib/*/security", "/usr/local/lib64/security", "/usr/local/lib/security", "/lib/security",
	"/lib64/security",
};
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

/* Ours has the helper's socket in it. A file that cannot be read is taken for ours: its lines are not to stay. */
static bool is_our_file(const char *path)
{
	return jd_file_has(path, JIT_PAM_SOCKET) != 0;
}

/* Calls `each` for every pam_jit.so in libpam's folders, until it says that this is enough. */
static bool any_module(bool (*each)(void *arg, const char *path), void *arg)
{
	bool enough = false;

	for (size_t i = 0; i < FOLDERS && !enough; i++) {
		glob_t found = {0};
		char pattern[256];

		snprintf(pattern, sizeof(pattern), "%s/" JD_OURS, folders[i]);
		glob(pattern, 0, NULL, &found);
		for (size_t n = 0; n < found.gl_pathc && !enough; n++)
			enough = each(arg, found.gl_pathv[n]);
		globfree(&found);
	}
	return enough;
}

struct buffer {
	char *text;
	size_t size;
};

static bool keep_first(void *arg, const char *path)
{
	struct buffer *buf = arg;

	snprintf(buf->text, buf->size, "%s", path);
	return true;
}

bool jd_module_find(char *buf, size_t size)
{
	struct buffer into = {.text = buf, .size = size};

	return any_module(keep_first, &into);
}

struct look {
	bool any, ours;
};

static bool look_whose(void *arg, const char *path)
{
	struct look *look = arg;

	look->any = true;
	look->ours = look->ours || is_our_file(path);
	return look->ours;
}

/* Also where the folder is gone, or reached by a link or through $ISA. */
static bool is_libpams_folder(const char *module)
{
	char folder[PATH_MAX], *slash, *isa;

	snprintf(folder, sizeof(folder), "%s", module);
	slash = strrchr(folder, '/');
	if (!slash)
		return true;
	*slash = '\0';
	isa = strstr(folder, "/$ISA");
	if (isa && !isa[5])
		*isa = '\0';
	JIT_FREE char *real = realpath(folder, NULL);
	for (size_t i = 0; i < FOLDERS; i++)
		if (fnmatch(folders[i], folder, FNM_PATHNAME) == 0 ||
		    (real && fnmatch(folders[i], real, FNM_PATHNAME) == 0))
			return true;
	return false;
}

bool jd_module_is_ours(const char *module)
{
	struct look look = {0};

	if (module[0] == '/' && !is_libpams_folder(module))
		return false;
	if (module[0] == '/' && access(module, F_OK) == 0)
		return is_our_file(module);
	any_module(look_whose, &look);
	return look.ours || !look.any;
}
