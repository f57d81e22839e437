/*
 * A ticket as somebody typed it (all but the first line) against the pattern of a role (the first line): a ticket is
 * good where the pattern says so, and nowhere else, and whatever it is, the answer comes at once.
 */
#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"
#include "policy.h"

#define CONF                                                                                                           \
	"[broker]\ntls = off\nstore = sqlite:/nowhere\nissuer = demo\n[role r]\nservices = sudo\nrequesters = op1\n"   \
	"hosts = *\ntargets = root\napprovers = appr1\n[person op1]\n[person appr1]\n"

static void fail_conf(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
	abort();
}

static struct jb_conf *conf(void)
{
	static struct jb_conf *read;
	char path[64];

	if (read)
		return read;
	snprintf(path, sizeof(path), "/dev/shm/jit-fuzz-ticket-%d", (int)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && write(fd, CONF, strlen(CONF)) == (ssize_t)strlen(CONF));
	close(fd);
	FUZZ_CHECK((read = jb_conf_read(path, fail_conf, NULL)));
	unlink(path);
	return read;
}

/*
 * As conf_check takes it, and as an operator may mean it: time and memory of regcomp(3) have no bounds where what
 * repeats is repeated, by number above all, nor have those of regexec(3) with back-references.
 */
static bool compile(const char *text, regex_t *ret)
{
	unsigned repeats = 0;

	for (const char *c = text; *c; c++) {
		repeats += strchr("*+?", *c) != NULL;
		if (*c == '{' || (*c == '\\' && c[1] >= '0' && c[1] <= '9'))
			return false;
	}
	return repeats <= 5 && strlen(text) <= 160 && regcomp(ret, text, REG_EXTENDED | REG_NOSUB) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	char *pattern = fuzz_text(&in, '\n'), *ticket = fuzz_text(&in, '\0');
	struct jb_request r = {.host = (char *)"web-1",
			       .requester = (char *)"op1",
			       .role = (char *)"r",
			       .service = (char *)"sudo",
			       .target = (char *)"root",
			       .reason = (char *)"disk full",
			       .ticket = strlen(ticket) < 512 ? ticket : NULL,
			       .public_key = (char *)"{}",
			       .duration = 900};
	regex_t regex;

	if (compile(pattern, &regex)) {
		conf()->roles[0].ticket = pattern;
		struct jb_decision d = jb_policy_allows(conf(), &r, NULL, 1795363200);
		FUZZ_CHECK(d.allowed || strcmp(d.code, "policy.ticket") == 0);
		FUZZ_CHECK(d.allowed == (r.ticket && regexec(&regex, r.ticket, 0, NULL, 0) == 0));
		regfree(&regex);
		conf()->roles[0].ticket = NULL;
		FUZZ_CHECK(jb_policy_allows(conf(), &r, NULL, 1795363200).allowed);
	}
	free(pattern);
	free(ticket);
	return 0;
}
