/* See store_sqlite_copy.h. */
#include "store_sqlite_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define BUSY_MS		10000
#define BUSY_STEP_MS	50
#define KEPT		3	  /* copies from before a change of the schema */
#define SAME_SECOND_MAX 100	  /* names of one second */
#define SPARE		(1 << 20) /* bytes that stay free */

static void db_closep(sqlite3 **db)
{
	sqlite3_close(*db);
}
#define DB JIT_CLEANUP(db_closep) sqlite3

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup("./");
}

int jb_sqlite_give(const char *path, int fd)
{
	JIT_FREE char *folder = folder_of(path);
	struct stat st;

	if (geteuid() != 0)
		return 0;
	return folder && stat(folder, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0 ? 0 : -1;
}

static int open_lock(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno == EEXIST ? open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (jb_sqlite_give(name, fd) == 0)
		return fd;
	close(fd);
	return -1;
}

int jb_sqlite_lock(const char *path, bool alone, char *why, size_t why_size)
{
	JIT_FREE char *name = NULL;
	JIT_CLOSE int fd = -1;

	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	fd = open_lock(name);
	if (fd < 0) {
		snprintf(why, why_size, "cannot open %s: %s", name, strerror(errno));
		return -1;
	}
	if (flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return jit_take_fd(&fd);
	if (alone)
		snprintf(why, why_size, "the store %s is in use: stop the broker first (systemctl stop jit-broker)",
			 path);
	else
		snprintf(why, why_size, "the store %s is being replaced by a back-up: try again when that is done",
			 path);
	return -1;
}

int jb_sqlite_settle(const char *path)
{
	JIT_FREE char *folder = folder_of(path);
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	JIT_CLOSE int dir = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && dir >= 0 && fsync(fd) == 0 && fsync(dir) == 0 ? 0 : -1;
}

/* One step takes all of it from one instant; others go on writing meanwhile. */
static int copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *copying = sqlite3_backup_init(to, "main", from, "main");
	int r = SQLITE_BUSY;

	if (!copying)
		return -1;
	for (int ms = 0; ms < BUSY_MS && (r == SQLITE_BUSY || r == SQLITE_LOCKED); ms += BUSY_STEP_MS) {
		r = sqlite3_backup_step(copying, -1);
		if (r == SQLITE_BUSY || r == SQLITE_LOCKED)
			sqlite3_sleep(BUSY_STEP_MS);
	}
	int finished = sqlite3_backup_finish(copying);
	return r == SQLITE_DONE && finished == SQLITE_OK ? 0 : -1;
}

static bool is_sound(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	bool sound = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL) == SQLITE_OK &&
		     sqlite3_step(statement) == SQLITE_ROW &&
		     strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;

	sqlite3_finalize(statement);
	return sound;
}

static int copy_into(const char *from, const char *to, char *why, size_t why_size)
{
	DB *source = NULL;
	DB *copy = NULL;

	if (sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		snprintf(why, why_size, "cannot read %s: %s", from, sqlite3_errmsg(source));
		return -1;
	}
	if (sqlite3_open_v2(to, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK ||
	    copy_pages(source, copy) < 0 ||
	    sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK) {
		const bool reading = sqlite3_errcode(source) != SQLITE_OK && sqlite3_errcode(copy) == SQLITE_OK;

		snprintf(why, why_size, "cannot copy %s to %s: %s", from, to, sqlite3_errmsg(reading ? source : copy));
		return -1;
	}
	if (is_sound(copy))
		return 0;
	snprintf(why, why_size, "%s is damaged: SQLite finds it malformed", from);
	return -1;
}

int jb_sqlite_copy(const char *from, const char *to, bool as_store, char *why, size_t why_size)
{
	JIT_FREE char *partial = NULL;
	int r = -1;

	if (asprintf(&partial, "%s.partial", to) < 0) {
		partial = NULL;
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	unlink(partial); /* of one that was killed */
	JIT_CLOSE int fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || (as_store && jb_sqlite_give(partial, fd) < 0)) {
		snprintf(why, why_size, "cannot make %s: %s", partial, strerror(errno));
		return -1;
	}
	if (copy_into(from, partial, why, why_size) == 0) {
		r = jb_sqlite_settle(partial) < 0 ? -1 : renameat2(AT_FDCWD, partial, AT_FDCWD, to, RENAME_NOREPLACE);
		if (r < 0)
			snprintf(why, why_size, "cannot write %s: %s", to, strerror(errno));
		else if ((r = jb_sqlite_settle(to)) < 0)
			snprintf(why, why_size, "%s may not be on the disk: %s", to, strerror(errno));
	}
	if (r < 0)
		unlink(partial);
	return r;
}

char *jb_sqlite_beside(const char *path, const char *word)
{
	time_t now = time(NULL);
	char stamp[sizeof("20261123T011500Z")];
	struct tm tm;

	if (!gmtime_r(&now, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return NULL;
	for (unsigned n = 1; n < SAME_SECOND_MAX; n++) {
		char number[16] = "", *name;

		if (n > 1)
			snprintf(number, sizeof(number), "-%u", n);
		if (asprintf(&name, "%s.%s.%s%s", path, word, stamp, number) < 0)
			return NULL;
		if (access(name, F_OK) < 0)
			return name;
		free(name);
	}
	return NULL;
}

/* Twice the file: the copy, and a change that writes every page anew. */
static int find_room(const char *path, char *why, size_t why_size)
{
	struct stat file, journal = {0};
	JIT_FREE char *wal = NULL;
	struct statvfs disk;

	if (asprintf(&wal, "%s-wal", path) < 0)
		wal = NULL;
	if (!wal || stat(path, &file) < 0 || statvfs(path, &disk) < 0) {
		snprintf(why, why_size, "cannot look at the store %s: %s", path, strerror(errno));
		return -1;
	}
	stat(wal, &journal);
	const uint64_t wanted = 2 * ((uint64_t)file.st_size + (uint64_t)journal.st_size) + SPARE;
	const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (free_bytes >= wanted)
		return 0;
	snprintf(why, why_size,
		 "the store %s has to be copied before this jit-broker changes it, and its disk has %llu MiB free of "
		 "the "
		 "%llu that takes: make room",
		 path, (unsigned long long)(free_bytes >> 20), (unsigned long long)(wanted >> 20) + 1);
	return -1;
}

static const char *wanted_prefix; /* scandir(3) hands nothing on; the broker has one thread */

static int is_earlier_copy(const struct dirent *entry)
{
	return strncmp(entry->d_name, wanted_prefix, strlen(wanted_prefix)) == 0 && !strstr(entry->d_name, ".partial");
}

/* By their times, which end their names. */
static int by_stamp(const struct dirent **a, const struct dirent **b)
{
	return strcmp(strrchr((*a)->d_name, '.'), strrchr((*b)->d_name, '.'));
}

/* Of no harm where it fails: there is more than was promised. */
static void drop_oldest(const char *path)
{
	JIT_FREE char *folder = folder_of(path), *prefix = NULL;
	struct dirent **found = NULL;

	if (!folder || asprintf(&prefix, "%s.schema-", strrchr(path, '/') + 1) < 0) {
		prefix = NULL;
		return;
	}
	wanted_prefix = prefix;
	int n = scandir(folder, &found, is_earlier_copy, by_stamp);
	for (int i = 0; i < n; i++) {
		JIT_FREE char *name = NULL;

		if (asprintf(&name, "%s%s", folder, found[i]->d_name) < 0)
			name = NULL;
		if (name && i < n - KEPT)
			unlink(name);
		free(found[i]);
	}
	free(found);
}

int jb_sqlite_copy_before(const char *path, int schema, char *why, size_t why_size)
{
	char word[32];

	snprintf(word, sizeof(word), "schema-%d", schema);
	JIT_FREE char *to = jb_sqlite_beside(path, word);
	if (!to) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	if (find_room(path, why, why_size) < 0)
		return -1;
	if (jb_sqlite_copy(path, to, true, why, why_size) < 0)
		return -1;
	drop_oldest(path);
	return 0;
}
