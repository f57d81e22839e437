/* common/safefile and common/inifile: a file that others could have written, or can read though it is secret, is
 * refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inifile.h"
#include "safefile.h"
#include "unit.h"

static char dir[] = "/tmp/jit-files-XXXXXX";
static char path[64], link_path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	unlink(link_path);
	return rmdir(dir);
}

static void write_file(const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int read_as(bool secret, size_t max, char *why, size_t size)
{
	const struct jit_file_rule rule = {.secret = secret, .max_size = max};
	char *text = NULL;
	size_t len;
	int r = jit_file_read(path, &rule, &text, &len, why, size);

	free(text);
	return r;
}

static void only_files_that_nobody_else_wrote_are_read(void **state)
{
	char why[256];

	(void)state;
	write_file("abc", 3, 0644);
	assert_int_equal(read_as(false, 3, why, sizeof(why)), 0);
	assert_int_equal(read_as(true, 3, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "chmod o= "));
	assert_int_equal(read_as(false, 2, why, sizeof(why)), -EFBIG);
	write_file("abc", 3, 0640);
	assert_int_equal(read_as(true, 3, why, sizeof(why)), 0);
	write_file("abc", 3, 0660);
	assert_int_equal(read_as(false, 3, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "chmod go-w "));
	write_file("abc", 3, 0602);
	assert_int_equal(read_as(false, 3, why, sizeof(why)), -EPERM);
	write_file("a\0c", 3, 0600);
	assert_int_equal(read_as(false, 3, why, sizeof(why)), -EINVAL);
	if (geteuid() == 0) {
		write_file("abc", 3, 0644);
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(read_as(false, 3, why, sizeof(why)), -EPERM);
		assert_non_null(strstr(why, "12345"));
	}
	unlink(path);
}

static void links_folders_and_pipes_are_no_files(void **state)
{
	const struct jit_file_rule rule = {.max_size = 100};
	char why[256], *text = NULL;
	size_t len;

	(void)state;
	write_file("abc", 3, 0600);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(jit_file_read(link_path, &rule, &text, &len, why, sizeof(why)), -ELOOP);
	unlink(link_path);
	unlink(path);
	assert_int_equal(jit_file_read(path, &rule, &text, &len, why, sizeof(why)), -ENOENT);
	assert_int_equal(jit_file_read(dir, &rule, &text, &len, why, sizeof(why)), -EINVAL);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(jit_file_read(path, &rule, &text, &len, why, sizeof(why)), -EINVAL); /* and does not hang */
	assert_null(text);
}

static int read_linked(char *why, size_t size)
{
	const struct jit_file_rule rule = {.linked = true, .max_size = 100};
	char *text = NULL;
	size_t len;
	int r = jit_file_read(link_path, &rule, &text, &len, why, size);

	if (r == 0)
		assert_string_equal(text, "abc");
	free(text);
	return r;
}

static void what_may_be_linked_is_read_through_links_of_roots_alone(void **state)
{
	char why[256];

	(void)state;
	unlink(path); /* of the test before */
	write_file("abc", 3, 0644);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(read_linked(why, sizeof(why)), 0);
	if (geteuid() == 0) {
		assert_int_equal(lchown(link_path, 12345, 0), 0);
		assert_int_equal(read_linked(why, sizeof(why)), -EPERM);
		assert_non_null(strstr(why, "symbolic link of uid 12345"));
	}
	unlink(link_path);
	assert_int_equal(symlink(link_path, link_path), 0);
	assert_int_equal(read_linked(why, sizeof(why)), -ELOOP);
	assert_null(strstr(why, "name the file itself"));
	unlink(link_path);
	write_file("abc", 3, 0666);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(read_linked(why, sizeof(why)), -EPERM);
	unlink(path);
	unlink(link_path);
}

static int check(const char *name, char *why, size_t size)
{
	const struct jit_file_rule rule = {.max_size = 100};

	return jit_file_check(name, &rule, why, size);
}

static void what_a_library_opens_may_be_a_link_of_roots_and_is_no_less_a_file(void **state)
{
	char why[256];

	(void)state;
	unlink(path); /* of the test before */
	write_file("abc", 3, 0644);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(check(path, why, sizeof(why)), 0);
	assert_int_equal(check(link_path, why, sizeof(why)), 0);
	if (geteuid() == 0) {
		assert_int_equal(lchown(link_path, 12345, 0), 0);
		assert_int_equal(check(link_path, why, sizeof(why)), -EPERM);
		assert_non_null(strstr(why, "symbolic link of uid 12345"));
		assert_int_equal(lchown(link_path, 0, 0), 0);
	}
	write_file("abc", 3, 0666);
	assert_int_equal(check(link_path, why, sizeof(why)), -EPERM);
	unlink(path);
	assert_int_equal(check(link_path, why, sizeof(why)), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(check(link_path, why, sizeof(why)), -EINVAL); /* and does not hang */
	unlink(path);
	unlink(link_path);
}

static char told[2048];
static int pairs;

static bool on_key(void *arg, const char *section, const char *name, const char *value, unsigned line, char *why,
		   size_t why_size)
{
	(void)arg;
	(void)line;
	pairs++;
	if (strcmp(name, "good") == 0)
		return true;
	snprintf(why, why_size, "[%s] does not know '%s' (%s)", section, name, value);
	return false;
}

static void on_error(void *arg, const char *message)
{
	size_t at = strlen(told);

	(void)arg;
	snprintf(told + at, sizeof(told) - at, "%s\n", message);
}

static int parse(const char *text)
{
	told[0] = '\0';
	pairs = 0;
	return jit_ini_parse("x.conf", text, on_key, on_error, NULL);
}

static void every_mistake_is_told_with_its_line(void **state)
{
	(void)state;
	assert_int_equal(parse("# comment\n[role admin]\ngood = 1\nbad = 2\n\ngood = 3\nworse = ^a$\n"), 2);
	assert_string_equal(told, "x.conf:4: [role admin] does not know 'bad' (2)\n"
				  "x.conf:7: [role admin] does not know 'worse' (^a$)\n");
	assert_int_equal(pairs, 4);
	assert_int_equal(parse("[a]\ngood = 1\nnonsense\n"), 1);
	assert_non_null(strstr(told, "x.conf:3: "));
	assert_int_equal(parse("[a]\ngood = 1"), 0);
	assert_int_equal(parse(""), 0);
}

static void a_line_that_libinih_would_split_is_refused(void **state)
{
	char text[512] = "[a]\ngood = ";
	size_t head = strlen(text) - 4;

	(void)state;
	memset(text + 4 + head, 'x', JIT_INI_LINE_MAX - head);
	assert_int_equal(parse(text), 0); /* exactly as long as a line may be */
	assert_int_equal(pairs, 1);
	strncat(text, "y", 2);
	assert_int_equal(parse(text), 1);
	assert_non_null(strstr(told, "x.conf:2: this line is longer than"));
	assert_int_equal(pairs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_files_that_nobody_else_wrote_are_read),
		cmocka_unit_test(links_folders_and_pipes_are_no_files),
		cmocka_unit_test(what_may_be_linked_is_read_through_links_of_roots_alone),
		cmocka_unit_test(what_a_library_opens_may_be_a_link_of_roots_and_is_no_less_a_file),
		cmocka_unit_test(every_mistake_is_told_with_its_line),
		cmocka_unit_test(a_line_that_libinih_would_split_is_refused),
	};

	return cmocka_run_group_tests_name("common files", tests, make_dir, remove_dir);
}
