/* See broker_store.h. */
#include "broker_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static char folder[64], store[96];
static char *kept;
static size_t kept_len;

static void clear_folder(void)
{
	DIR *dir = opendir(folder);
	char path[400];

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

static void remove_folder(void)
{
	clear_folder();
	rmdir(folder);
}

const char *fuzz_store_folder(void)
{
	if (*folder)
		return folder;
	snprintf(folder, sizeof(folder), "/dev/shm/jit-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(folder));
	atexit(remove_folder);
	snprintf(store, sizeof(store), "%s/broker.db", folder);
	return folder;
}

static void write_whole(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static void fail_conf(void *arg, const char *message)
{
	(void)arg;
	FUZZ_NEVER(message);
}

struct jb_conf *fuzz_store_conf(const char *text)
{
	struct jb_conf *conf;
	char path[96];

	snprintf(path, sizeof(path), "%s/conf", fuzz_store_folder());
	write_whole(path, text, strlen(text));
	FUZZ_CHECK((conf = jb_conf_read(path, fail_conf, NULL)));
	return conf;
}

void fuzz_store_keep(void)
{
	int fd = open(store, O_RDONLY | O_CLOEXEC);
	struct stat st;

	FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
	kept_len = (size_t)st.st_size;
	FUZZ_CHECK((kept = malloc(kept_len)) && read(fd, kept, kept_len) == st.st_size);
	close(fd);
}

struct jb_store *fuzz_store_begin(const struct jb_conf *conf)
{
	struct jb_store *opened;
	char why[256];

	clear_folder();
	write_whole(store, kept, kept_len);
	FUZZ_CHECK((opened = jb_store_open(conf, why, sizeof(why))));
	return opened;
}
