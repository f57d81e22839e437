/*
 * What the approvers' commands make of a broker's answers: each ends, whatever comes, with a status that it may have,
 * nobody is refused without a word, and what a person reads is clean. And of a client.conf: where it is taken, it has
 * said where the broker is.
 *
 * The first byte is the command line; of the last one what follows is the file, after a 't' where the command line
 * names the token, of the others one answer after the other (calls.h).
 */
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "client.h"
#include "client_conf.h"
#include "text.h"

#define WORDS_MAX 10
#define BEARER	  "Authorization: Bearer "
#define WHERE	  "--url", "https://broker.example:8443/", "--token-file", token_file

int __wrap_event_base_dispatch(struct event_base *base);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__real_fopen(const char *path, const char *mode);

static char folder[64], token_file[96], conf_file[128];

/* A command line; `raw`: it prints a document, in ASCII. */
static const struct line {
	int (*run)(int argc, char **argv);
	const char *words[WORDS_MAX];
	bool raw;
} lines[] = {
	{jb_cmd_approve, {"approve", WHERE, "--code", "42", "R7KD-2M9Q"}, false},
	{jb_cmd_approve, {"approve", WHERE, "--comment", "seen", "R7KD-2M9Q"}, false},
	{jb_cmd_deny, {"deny", WHERE, "--comment", "\"not\" now", "R7KD-2M9Q"}, false},
	{jb_cmd_revoke, {"revoke", WHERE, "R7KD-2M9Q"}, false},
	{jb_cmd_list, {"list", WHERE}, false},
	{jb_cmd_list, {"list", WHERE, "--status", "ACTIVE"}, false},
	{jb_cmd_list, {"list", WHERE, "--json"}, true},
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static struct fuzz_input script;

/* Where a command waits for its one call, the call is answered. */
int __wrap_event_base_dispatch(struct event_base *base)
{
	(void)base;
	while (fuzz_fetch_answer(&script))
		;
	return 0;
}

static ssize_t read_code(void *cookie, char *buf, size_t size)
{
	bool *asked = cookie;

	if (*asked || size < 3)
		return 0;
	*asked = true;
	memcpy(buf, "42\n", 3);
	return 3;
}

static ssize_t drop(void *cookie, const char *buf, size_t size)
{
	(void)cookie;
	(void)buf;
	return (ssize_t)size;
}

/* The terminal on which the code is asked for. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	static bool asked;

	if (strcmp(path, "/dev/tty") != 0)
		return __real_fopen(path, mode);
	asked = false;
	return fopencookie(&asked, "r+", (cookie_io_functions_t){.read = read_code, .write = drop});
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

/* A home of its own, with a token in it. */
static void prepare(void)
{
	char path[96];

	if (folder[0])
		return;
	snprintf(folder, sizeof(folder), "/dev/shm/jit-fuzz-client-%d", (int)getpid());
	snprintf(token_file, sizeof(token_file), "%s/token", folder);
	FUZZ_CHECK(mkdir(folder, 0700) == 0 && setenv("HOME", folder, 1) == 0);
	snprintf(path, sizeof(path), "%s/.config", folder);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	snprintf(path, sizeof(path), "%s/.config/jit-broker", folder);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	snprintf(conf_file, sizeof(conf_file), "%s/client.conf", path);
	write_file(token_file, "jitg_test\n", 10);
	FUZZ_CHECK(dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO) == STDIN_FILENO); /* token_file = - */
}

/* Whatever was answered, a terminal takes it for nothing but text. */
static void check_clean(const char *text, size_t len, bool ascii)
{
	FUZZ_CHECK(memchr(text, '\0', len) == NULL && jit_utf8_valid(text, len));
	for (size_t i = 0; ascii && i < len; i++)
		FUZZ_CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
	for (const char *line = text; *line; line += *line == '\n') {
		const size_t n = strcspn(line, "\n");
		char *clean = malloc(n + 1);

		FUZZ_CHECK(clean && jit_text_clean(clean, n + 1, line, n) == n && memcmp(clean, line, n) == 0);
		free(clean);
		line += n;
	}
}

static int run_line(const struct line *line)
{
	char *words[WORDS_MAX + 1] = {NULL};
	int count = 0;

	for (; count < WORDS_MAX && line->words[count]; count++)
		FUZZ_CHECK((words[count] = strdup(line->words[count])));
	optind = 0;
	const int status = line->run(count, words);
	while (count)
		free(words[--count]);
	return status;
}

/* JB_EXIT_OK, and it is known where the broker is and who asks; or not, with a sentence. -1: neither. */
static int run_conf(void)
{
	const bool given = fuzz_byte(&script) == 't'; /* on the command line */
	struct jb_client_conf conf = {.broker = "/none", .token_file = given ? strdup(token_file) : NULL};

	write_file(conf_file, script.at, script.left);
	const int r = jb_client_conf_complete(&conf);
	const bool known = conf.url && *conf.url && strncmp(conf.authorization, BEARER, strlen(BEARER)) == 0 &&
			   conf.authorization[strlen(BEARER)] > ' ';
	jb_client_conf_clear(&conf);
	unlink(conf_file);
	return r < 0 ? JB_EXIT_USAGE : known ? JB_EXIT_OK : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *saved_out = stdout, *saved_err = stderr;
	char *said = NULL, *complained = NULL;
	size_t said_len, complained_len;

	if (size == 0)
		return 0;
	prepare();
	const size_t which = data[0] % (LINES + 1);
	script = (struct fuzz_input){data + 1, size - 1};
	FUZZ_CHECK((stdout = open_memstream(&said, &said_len)) &&
		   (stderr = open_memstream(&complained, &complained_len)));
	FILE *out = stdout, *err = stderr;
	const int status = which == LINES ? run_conf() : run_line(&lines[which]);
	stdout = saved_out;
	stderr = saved_err;
	fclose(out);
	fclose(err);
	FUZZ_CHECK(status == JB_EXIT_OK || status == JB_EXIT_FAILED || status == JB_EXIT_USAGE ||
		   status == JB_EXIT_UNAVAILABLE);
	FUZZ_CHECK(status == JB_EXIT_OK || complained_len);
	check_clean(said, said_len, which < LINES && lines[which].raw);
	check_clean(complained, complained_len, false);
	free(said);
	free(complained);
	FUZZ_CHECK(!fuzz_fetch_first());
	return 0;
}
