/* common/safepath: nobody but root and the caller can put another file in the place of one that counts. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "safefile.h"
#include "safepath.h"
#include "unit.h"

#define ANOTHER 12345
#define STAFF	50

static char top[] = "/tmp/jit-way-XXXXXX";
static char why[1024];

/* top/outer/inner/file, and top/beside */
static int make(void **state)
{
	(void)state;
	umask(022);
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("outer", 0755) < 0 || mkdir("outer/inner", 0755) < 0 ||
	    mkdir("beside", 0755) < 0)
		return -1;
	int fd = open("outer/inner/file", O_WRONLY | O_CREAT, 0644);
	return fd < 0 || write(fd, "abc", 3) != 3 ? -1 : close(fd);
}

static int clear(void **state)
{
	(void)state;
	if (chdir(top) < 0)
		return -1;
	unlink("outer/inner/file");
	rmdir("outer/inner");
	rmdir("outer");
	unlink("beside/link");
	rmdir("beside");
	return chdir("/") < 0 ? -1 : rmdir(top);
}

static int check(const char *path)
{
	static const struct jit_file_rule rule = {.max_size = 100};

	why[0] = '\0';
	return jit_file_check(path, &rule, why, sizeof(why));
}

static char *below(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static void a_file_below_roots_and_ones_own_folders_is_taken(void **state)
{
	(void)state;
	assert_int_equal(check(below("outer/inner/file")), 0); /* in /tmp, which is sticky */
	assert_int_equal(check(below("/outer//./inner/../inner/file")), 0);
	assert_int_equal(check("/etc/passwd"), -EFBIG); /* the way to it is good */
	assert_int_equal(check("outer/inner/file"), 0);
	assert_int_equal(check(below("outer/none/file")), -ENOENT);
	assert_non_null(strstr(why, "outer/none/file: No such file"));
	assert_int_equal(check(below("outer/inner/file/more")), -ENOTDIR);
	assert_int_equal(check("/"), -EINVAL);
	assert_int_equal(check(below("outer/inner/..")), -EINVAL);
}

static void a_folder_that_others_can_write_is_refused_wherever_it_stands(void **state)
{
	static const char *const folders[] = {"outer", "outer/inner"};

	(void)state;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		assert_int_equal(chmod(folders[i], 0757), 0);
		assert_int_equal(check(below("outer/inner/file")), -EPERM);
		char fix[300];
		snprintf(fix, sizeof(fix), "chmod go-w %s", below(folders[i]));
		assert_string_equal(why + strlen(why) - strlen(fix), fix);
		assert_int_equal(check("outer/inner/file"), -EPERM);
		assert_int_equal(chmod(folders[i], 01777), 0); /* what is there is not theirs */
		assert_int_equal(check(below("outer/inner/file")), 0);
		assert_int_equal(chmod(folders[i], 0755), 0);
	}
}

static void only_a_group_of_administrators_may_write(void **state)
{
	const struct {
		gid_t group;
		mode_t mode;
		int outcome;
	} cases[] = {{0, 0775, 0}, {ANOTHER, 0775, -EPERM}, {STAFF, 02775, -EPERM}, {0, 0777, -EPERM}};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chown("outer", 0, cases[i].group), 0);
		assert_int_equal(chmod("outer", cases[i].mode), 0);
		assert_int_equal(check(below("outer/inner/file")), cases[i].outcome);
	}
	assert_int_equal(chown("outer", 0, 0), 0);
	assert_int_equal(chmod("outer", 0755), 0);
}

/* The group's bits are the mask then, and the group need not be who may write. */
static void a_folder_that_an_access_list_opens_is_refused(void **state)
{
	/* As linux/posix_acl_xattr.h has it: tag, permissions, id of each. */
	static const struct {
		uint32_t version;
		struct {
			uint16_t tag, may;
			uint32_t id;
		} entries[5];
	} list = {2,
		  {{0x01, 7, UINT32_MAX},
		   {0x02, 7, ANOTHER},
		   {0x04, 5, UINT32_MAX},
		   {0x10, 7, UINT32_MAX},
		   {0x20, 5, UINT32_MAX}}};

	(void)state;
	if (geteuid() != 0 || setxattr("outer", "system.posix_acl_access", &list, sizeof(list), 0) < 0)
		skip();
	assert_int_equal(check(below("outer/inner/file")), -EPERM);
	assert_non_null(strstr(why, "outer can be written by others"));
	assert_int_equal(removexattr("outer", "system.posix_acl_access"), 0);
	assert_int_equal(chmod("outer", 0775), 0);
	assert_int_equal(check(below("outer/inner/file")), 0);
	assert_int_equal(chmod("outer", 0755), 0);
}

static void anothers_folder_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown("outer", ANOTHER, 0), 0);
	assert_int_equal(check(below("outer/inner/file")), -EPERM);
	assert_non_null(strstr(why, "outer belongs to uid 12345"));
	assert_int_equal(chown("outer", 0, 0), 0);
	assert_int_equal(chown(top, ANOTHER, 0), 0);
	assert_int_equal(check("outer/inner/file"), -EPERM); /* by a relative name too: where it stands */
	assert_int_equal(chown(top, 0, 0), 0);
}

/* The way through the link is judged like any other. */
static void a_link_on_the_way_is_roots_and_leads_where_nobody_else_writes(void **state)
{
	(void)state;
	assert_int_equal(symlink("../outer/inner", "beside/link"), 0);
	assert_int_equal(check(below("beside/link/file")), 0);
	assert_int_equal(chmod("outer", 0777), 0);
	assert_int_equal(check(below("beside/link/file")), -EPERM);
	assert_non_null(strstr(why, "chmod go-w"));
	assert_int_equal(chmod("outer", 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(lchown("beside/link", ANOTHER, 0), 0);
		assert_int_equal(check(below("beside/link/file")), -EPERM);
		assert_non_null(strstr(why, "symbolic link of uid 12345"));
	}
	unlink("beside/link");
	assert_int_equal(symlink("link/link", "beside/link"), 0);
	assert_int_equal(check(below("beside/link/file")), -ELOOP);
	unlink("beside/link");
	assert_int_equal(symlink(below("outer"), "beside/link"), 0);
	assert_int_equal(check(below("beside/link/inner/file")), 0);
	unlink("beside/link");
}

static void what_the_way_leads_to_need_not_be_there(void **state)
{
	struct jit_safepath way;

	(void)state;
	int fd = jit_safepath_open(below("outer/new"), true, &way, why, sizeof(why));
	assert_true(fd >= 0);
	close(fd);
	assert_string_equal(way.name, "new");
	assert_false(way.sticky);
	fd = jit_safepath_open("/tmp/new", true, &way, why, sizeof(why));
	assert_true(fd >= 0);
	close(fd);
	assert_true(way.sticky);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_below_roots_and_ones_own_folders_is_taken),
		cmocka_unit_test(a_folder_that_others_can_write_is_refused_wherever_it_stands),
		cmocka_unit_test(only_a_group_of_administrators_may_write),
		cmocka_unit_test(a_folder_that_an_access_list_opens_is_refused),
		cmocka_unit_test(anothers_folder_is_refused_wherever_it_stands),
		cmocka_unit_test(a_link_on_the_way_is_roots_and_leads_where_nobody_else_writes),
		cmocka_unit_test(what_the_way_leads_to_need_not_be_there),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
