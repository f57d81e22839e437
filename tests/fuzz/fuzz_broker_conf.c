/*
 * jit-broker.conf, and the policy that it makes: a file that is taken can be asked about any request, and lets nobody
 * decide their own.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"
#include "policy.h"

static unsigned told;

static void tell(void *arg, const char *message)
{
	(void)arg;
	told++;
	FUZZ_CHECK(strstr(message, ": ") && strlen(message) > 4);
}

static const char *write_file(const char *text, size_t size)
{
	static char path[64];

	if (!path[0]) {
		snprintf(path, sizeof(path), "/dev/shm/jit-fuzz-conf-%d", (int)getpid());
		umask(077);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
	return path;
}

/* Each role asked for by its own first requester, and decided by that same person. */
static void ask_policy(const struct jb_conf *conf, const struct jb_role *role)
{
	struct jb_request r = {.host = (char *)"web-1",
			       .role = role->name,
			       .service = (char *)"sudo",
			       .target = (char *)"root",
			       .reason = (char *)"disk full",
			       .ticket = (char *)"INC-4711",
			       .public_key = (char *)"{}",
			       .duration = 900};
	struct jb_decision refusal;
	const int64_t now = 1795363200;

	r.requester = role->requesters.count ? role->requesters.word[0] : (char *)"op1";
	struct jb_decision d = jb_policy_allows(conf, &r, NULL, now);
	FUZZ_CHECK(d.allowed ? !d.code[0] : d.code[0] && d.message[0]);
	FUZZ_CHECK(jb_policy_duration(conf, &r, now) <= (int64_t)role->max_duration || !d.allowed);
	const struct jb_person *person = jb_conf_person_by_unix(conf, r.requester);
	if (person)
		FUZZ_CHECK(!jb_policy_may_decide(conf, &r, person->name).allowed);
	for (size_t i = 0; i < conf->person_count; i++)
		jb_policy_allows(conf, &r, conf->persons[i].name, now);
	r.role = (char *)"*";
	jb_policy_choose(conf, &r, now, &refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_all(data, size);

	/* The pattern of a ticket is the operator's own, and regcomp(3) has no limit of its own. */
	if (memchr(text, '{', size)) {
		free(text);
		return 0;
	}
	told = 0;
	const char *path = write_file(text, size);
	struct jb_conf *conf = jb_conf_read_public(path, tell, NULL);
	unlink(path);
	FUZZ_CHECK(!conf == (told > 0));
	if (conf) {
		FUZZ_CHECK(conf->listen_address && conf->store && conf->issuer);
		for (size_t i = 0; i < conf->role_count; i++) {
			FUZZ_CHECK(jb_conf_role(conf, conf->roles[i].name) == &conf->roles[i]);
			ask_policy(conf, &conf->roles[i]);
		}
	}
	jb_conf_free(conf);
	free(text);
	return 0;
}
