/*
 * Runs commands side by side and times each: one of every contestant a round, in an order that turns with the rounds,
 * so that whatever else the machine does hits all of them alike.
 *
 *   pairs ROUNDS CROWD PAUSE_MS OUT NAME [VAR=VALUE…] COMMAND… [-- NAME …]…
 *
 * CROWD copies of a command are started at once and waited for. A contestant whose NAME is "-" belongs to the one
 * before it: it is run after it, and is not timed. OUT gets a line for each process that was timed: round, name, wall
 * time from its start to its end, processor time of it and of what it waited for (both in microseconds), its exit
 * status, and when it was started (CLOCK_MONOTONIC, nanoseconds).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTESTANTS_MAX 16
#define CROWD_MAX	256

struct contestant {
	const char *name;
	char **words;	/* VAR=VALUE… COMMAND… NULL */
	char **then[2]; /* what is run after it, untimed */
	unsigned then_count;
};

struct run {
	pid_t pid;
	int64_t began;
};

static struct contestant contestants[CONTESTANTS_MAX];
static unsigned contestant_count;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "pairs: %s\n", what);
	exit(2);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* In the child: what is started hears and says nothing but on the terminal it finds for itself. */
__attribute__((noreturn)) static void become(char **words)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, 0);
	dup2(null, 1);
	if (!getenv("PAIRS_SHOW"))
		dup2(null, 2);
	for (; *words && strchr(*words, '='); words++)
		putenv(*words);
	execv(*words, words);
	_exit(127);
}

static pid_t start(char **words)
{
	const pid_t pid = fork();

	if (pid < 0)
		die("cannot fork");
	if (pid == 0)
		become(words);
	return pid;
}

static long long micros(const struct timeval *tv)
{
	return (long long)tv->tv_sec * 1000000 + tv->tv_usec;
}

static void run_crowd(const struct contestant *c, unsigned crowd, unsigned round, FILE *out)
{
	struct run runs[CROWD_MAX];

	for (unsigned i = 0; i < crowd; i++) {
		runs[i].began = now_ns();
		runs[i].pid = start(c->words);
	}
	for (unsigned left = crowd; left; left--) {
		struct rusage usage;
		int status;
		const pid_t pid = wait4(-1, &status, 0, &usage);
		const int64_t ended = now_ns();

		for (unsigned i = 0; i < crowd; i++)
			if (runs[i].pid == pid)
				fprintf(out, "%u,%s,%lld,%lld,%d,%lld\n", round, c->name,
					(long long)(ended - runs[i].began) / 1000,
					micros(&usage.ru_utime) + micros(&usage.ru_stime),
					WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
					(long long)runs[i].began);
	}
}

static void run_untimed(char **words)
{
	int status;

	if (waitpid(start(words), &status, 0) < 0 || status != 0)
		fprintf(stderr, "pairs: %s ended with %d\n", *words, status);
}

static void read_contestants(char **argv)
{
	while (*argv) {
		const char *name = *argv++;
		char **words = argv;

		while (*argv && strcmp(*argv, "--") != 0)
			argv++;
		if (*argv)
			*argv++ = NULL;
		if (!*words)
			die("a contestant without a command");
		if (strcmp(name, "-") != 0) {
			if (contestant_count == CONTESTANTS_MAX)
				die("too many contestants");
			contestants[contestant_count++] = (struct contestant){.name = name, .words = words};
			continue;
		}
		struct contestant *c = contestant_count ? &contestants[contestant_count - 1] : NULL;
		if (!c || c->then_count == 2)
			die("nothing that this could come after");
		c->then[c->then_count++] = words;
	}
}

int main(int argc, char **argv)
{
	if (argc < 7)
		die("usage: pairs ROUNDS CROWD PAUSE_MS OUT NAME [VAR=VALUE...] COMMAND... [-- NAME ...]...");
	const unsigned rounds = (unsigned)strtoul(argv[1], NULL, 10), crowd = (unsigned)strtoul(argv[2], NULL, 10);
	const struct timespec pause = {.tv_nsec = strtol(argv[3], NULL, 10) * 1000000};
	FILE *out = fopen(argv[4], "we");

	if (!out || crowd < 1 || crowd > CROWD_MAX)
		die(out ? "a crowd is 1 to 256" : "cannot write the results");
	read_contestants(argv + 5);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < contestant_count; i++) {
			const struct contestant *c = &contestants[(round + i) % contestant_count];

			nanosleep(&pause, NULL);
			run_crowd(c, crowd, round, out);
			for (unsigned n = 0; n < c->then_count; n++)
				run_untimed(c->then[n]);
		}
	}
	return fclose(out) == 0 ? 0 : 2;
}
