/* See names.h. */
#include "names.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "proto.h"

#define BUF_SIZE   16384   /* of one entry of passwd */
#define GROUP_SIZE 1048576 /* of one entry of group: a group can have thousands of members */
#define GROUPS_MAX 4096

enum kind { UID_OF_NAME, NAME_OF_UID, MEMBER_OF_GROUP };

struct question {
	enum kind kind;
	char name[JIT_NAME_SIZE]; /* the answer too */
	char group[JIT_NAME_SIZE];
	uid_t uid; /* the answer too */
	int result;
};

/* One thread, one question: what it works on is its own copy. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	bool running, busy; /* busy: a question was asked and is not answered */
	struct question question;
} worker = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};

static struct jh_names_test test = {.passwd = "/etc/passwd", .group = "/etc/group"};

void jh_names_set_test(const struct jh_names_test *with)
{
	test = *with;
}

static int found_user(struct question *q, const struct passwd *entry)
{
	if (strlen(entry->pw_name) >= sizeof(q->name))
		return -ENOENT;
	q->uid = entry->pw_uid;
	memmove(q->name, entry->pw_name, strlen(entry->pw_name) + 1);
	return 0;
}

static bool has_member(const struct group *entry, const char *name)
{
	for (char **member = entry->gr_mem; *member; member++)
		if (strcmp(*member, name) == 0)
			return true;
	return false;
}

/* The local files */

/* NULL: it cannot be read. */
static FILE *open_list(const char *path)
{
	FILE *file = fopen(path, "re");

	/* libc notes where each entry begins: what does not know where it stands asks the kernel, at each of them. */
	if (file)
		rewind(file);
	return file;
}

/* The local user of that name, or with q->uid where `name` is NULL. */
static int local_user(struct question *q, const char *name, gid_t *ret_gid)
{
	JIT_FCLOSE FILE *file = open_list(test.passwd);
	char buf[BUF_SIZE];
	struct passwd entry, *found;

	while (file && fgetpwent_r(file, &entry, buf, sizeof(buf), &found) == 0) {
		if (name ? strcmp(entry.pw_name, name) != 0 : entry.pw_uid != q->uid)
			continue;
		*ret_gid = entry.pw_gid;
		return found_user(q, &entry);
	}
	return -ENOENT;
}

static bool local_member(const char *name, gid_t gid, bool has_gid, const char *group)
{
	JIT_FCLOSE FILE *file = open_list(test.group);
	JIT_FREE char *buf = malloc(GROUP_SIZE);
	struct group entry, *found;

	while (file && buf && fgetgrent_r(file, &entry, buf, GROUP_SIZE, &found) == 0)
		if (strcmp(entry.gr_name, group) == 0)
			return (has_gid && entry.gr_gid == gid) || has_member(&entry, name);
	return false;
}

/* The other sources: in the thread alone */

static int find_user(struct question *q, gid_t *ret_gid)
{
	char buf[BUF_SIZE];
	struct passwd entry, *found = NULL;
	int r = q->kind == NAME_OF_UID ? getpwuid_r(q->uid, &entry, buf, sizeof(buf), &found)
				       : getpwnam_r(q->name, &entry, buf, sizeof(buf), &found);

	if (r != 0 || !found)
		return -ENOENT;
	*ret_gid = entry.pw_gid;
	return found_user(q, &entry);
}

static int find_member(struct question *q)
{
	JIT_FREE char *buf = malloc(GROUP_SIZE);
	JIT_FREE gid_t *gids = calloc(GROUPS_MAX, sizeof(*gids));
	struct group entry, *found = NULL;
	const uid_t uid = q->uid;
	int count = GROUPS_MAX;
	gid_t gid;

	if (!buf || !gids || find_user(q, &gid) < 0 || q->uid != uid ||
	    getgrnam_r(q->group, &entry, buf, GROUP_SIZE, &found) != 0 || !found ||
	    getgrouplist(q->name, gid, gids, &count) < 0)
		return -ENOENT;
	for (int i = 0; i < count; i++)
		if (gids[i] == entry.gr_gid)
			return 0;
	return -ENOENT;
}

static int find(struct question *q)
{
	gid_t gid;

	if (test.delay_ms) {
		const struct timespec delay = {.tv_sec = test.delay_ms / 1000,
					       .tv_nsec = test.delay_ms % 1000 * 1000000L};
		nanosleep(&delay, NULL);
	}
	return q->kind == MEMBER_OF_GROUP ? find_member(q) : find_user(q, &gid);
}

static void *work(void *arg)
{
	struct question q;

	(void)arg;
	pthread_mutex_lock(&worker.lock);
	for (;;) {
		while (!worker.busy)
			pthread_cond_wait(&worker.asked, &worker.lock);
		q = worker.question;
		pthread_mutex_unlock(&worker.lock);
		q.result = find(&q);
		pthread_mutex_lock(&worker.lock);
		worker.question = q;
		worker.busy = false;
		pthread_cond_signal(&worker.answered);
	}
	return NULL;
}

static bool start_worker(void)
{
	pthread_condattr_t clock;
	pthread_t thread;

	if (worker.running)
		return true;
	if (pthread_condattr_init(&clock) != 0)
		return false;
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&worker.answered, &clock);
	pthread_condattr_destroy(&clock);
	worker.running = pthread_create(&thread, NULL, work, NULL) == 0;
	if (worker.running)
		pthread_detach(thread);
	return worker.running;
}

static int ask_worker(struct question *q)
{
	struct timespec until;
	int r = 0;

	if (!start_worker())
		return -EAGAIN;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += JH_NAMES_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&worker.lock);
	if (worker.busy) { /* still with a question that nobody waits for any more */
		pthread_mutex_unlock(&worker.lock);
		return -ETIMEDOUT;
	}
	worker.question = *q;
	worker.busy = true;
	pthread_cond_signal(&worker.asked);
	while (worker.busy && r == 0)
		r = pthread_cond_timedwait(&worker.answered, &worker.lock, &until);
	if (worker.busy)
		r = -ETIMEDOUT;
	else
		*q = worker.question;
	pthread_mutex_unlock(&worker.lock);
	return r < 0 ? r : q->result;
}

static bool set_text(char buf[static JIT_NAME_SIZE], const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= JIT_NAME_SIZE)
		return false;
	memcpy(buf, text, len + 1);
	return true;
}

int jh_names_uid(const char *name, uid_t *ret)
{
	struct question q = {.kind = UID_OF_NAME};
	gid_t gid;

	if (!set_text(q.name, name))
		return -ENOENT;
	int r = local_user(&q, name, &gid);
	if (r < 0)
		r = ask_worker(&q);
	if (r == 0)
		*ret = q.uid;
	return r;
}

int jh_names_name(uid_t uid, char *buf, size_t size)
{
	struct question q = {.kind = NAME_OF_UID, .uid = uid};
	gid_t gid;
	int r = local_user(&q, NULL, &gid);

	if (r < 0)
		r = ask_worker(&q);
	if (r == 0 && snprintf(buf, size, "%s", q.name) >= (int)size)
		r = -ENOENT;
	return r;
}

bool jh_names_member(const char *name, uid_t uid, const char *group)
{
	struct question q = {.kind = MEMBER_OF_GROUP}, local = {.kind = UID_OF_NAME};
	gid_t gid;

	if (!set_text(q.name, name) || !set_text(q.group, group))
		return false;
	q.uid = uid;
	if (local_user(&local, name, &gid) == 0) {
		if (local.uid != uid)
			return false;
		if (local_member(name, gid, true, group))
			return true;
	}
	return ask_worker(&q) == 0;
}
