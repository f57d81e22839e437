/*
 * jit-broker.conf, and the policy that it makes: a file that is taken is within the limits of its manual page and leads
 * to nobody who is not there, can be asked about any request, and lets nobody decide their own.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <regex.h>
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

#define DAY 86400U

/* Numbers of jit-broker.conf(5), not of the broker's own table. */
static void check_in(uint32_t value, uint32_t least, uint32_t most)
{
	FUZZ_CHECK(value >= least && value <= most);
}

static void check_broker(const struct jb_conf *c)
{
	struct in6_addr address;
	struct in_addr v4;

	FUZZ_CHECK(c->store && (strncmp(c->store, "sqlite:/", 8) == 0 || strncmp(c->store, "dynamodb:", 9) == 0));
	FUZZ_CHECK(c->issuer && (strcmp(c->issuer, "demo") == 0 ||
				 (strncmp(c->issuer, "sts:http", 8) == 0 && c->issuer_credentials &&
				  (c->issuer[8] == 's' || c->issuer_plain_loopback))));
	const bool is_v4 = inet_pton(AF_INET, c->listen_address, &v4) == 1;
	FUZZ_CHECK(is_v4 || inet_pton(AF_INET6, c->listen_address, &address) == 1);
	if (c->tls)
		FUZZ_CHECK(c->tls_certificate && c->tls_key);
	else
		FUZZ_CHECK(is_v4 ? ntohl(v4.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&address));
	check_in(c->retention, 3600, 3650 * DAY);
	check_in(c->max_connections, 64, 500000);
	check_in(c->waiting_per_host, 1, 100000);
	check_in(c->waiting_per_requester, 1, 100000);
	check_in(c->session_lifetime, 60, 7 * DAY);
	check_in(c->session_idle, 60, 7 * DAY);
	check_in(c->notify_retry, 1, 3600);
	check_in(c->notify_retry_max, 1, DAY);
	check_in(c->notify_give_up, 1, 365 * DAY);
	FUZZ_CHECK(!c->proxy_socket == !c->proxy_user && c->role_count > 0);
}

/* Each word of a list is a name, or a group that is there. */
static void check_names(const struct jb_conf *c, const struct jb_words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		bool found = words->word[i][0] != '@';

		for (size_t g = 0; g < c->group_count && !found; g++)
			found = strcmp(c->groups[g].name, words->word[i] + 1) == 0;
		FUZZ_CHECK(found && words->word[i][0]);
	}
}

static void check_role(const struct jb_conf *c, const struct jb_role *role)
{
	unsigned approvers = 0;
	regex_t regex;

	FUZZ_CHECK(jb_conf_role(c, role->name) == role);
	FUZZ_CHECK(role->services.count && role->requesters.count && role->hosts.count && role->targets.count);
	check_names(c, &role->requesters);
	check_names(c, &role->approvers);
	for (size_t i = 0; i < c->person_count; i++)
		approvers += !c->persons[i].shared && jb_conf_lists(c, &role->approvers, c->persons[i].name);
	FUZZ_CHECK(role->approvers.count ? role->approvals <= approvers : role->auto_approve != JB_AUTO_NEVER);
	check_in(role->approvals, 1, 10);
	check_in(role->max_duration, 1, DAY / 2);
	check_in(role->credential_lifetime, 1, 3600);
	check_in(role->pending, 1, DAY);
	check_in(role->use_within, 1, DAY);
	FUZZ_CHECK(role->scope <= JB_SCOPE_USER && role->on_expiry <= JB_EXPIRY_END &&
		   role->auto_approve <= JB_AUTO_HOURS);
	FUZZ_CHECK(!role->arn || (strncmp(role->arn, "arn:aws", 7) == 0 && strlen(role->arn) <= 2048));
	FUZZ_CHECK(!role->session_policy || strlen(role->session_policy) <= 2048);
	if (role->ticket) {
		FUZZ_CHECK(regcomp(&regex, role->ticket, REG_EXTENDED | REG_NOSUB) == 0);
		regfree(&regex);
	}
}

/* One name is one person's, and one plan each host's. */
static void check_who(const struct jb_conf *c)
{
	for (size_t i = 0; i < c->person_count; i++) {
		const struct jb_person *person = &c->persons[i];

		for (size_t u = 0; u < person->unix_names.count; u++)
			FUZZ_CHECK(jb_conf_person_by_unix(c, person->unix_names.word[u]) == person);
		for (size_t u = 0; u < person->remote_user.count; u++)
			FUZZ_CHECK(jb_conf_person_by_remote_user(c, person->remote_user.word[u]) == person);
		FUZZ_CHECK(!person->shared || (!person->oidc_count && !person->remote_user.count));
	}
	for (size_t i = 0; i < c->host_count; i++)
		FUZZ_CHECK(!c->hosts[i].usage_plan || jb_conf_usage_plan(c, c->hosts[i].usage_plan));
	for (size_t i = 0; i < c->plan_count; i++) {
		check_in(c->plans[i].terms.rate, 1, 1000000);
		check_in(c->plans[i].terms.burst, 1, 1000000);
		check_in(c->plans[i].terms.quota, 0, 1000000000);
		check_in(c->plans[i].pending, 0, 100000);
	}
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
		check_broker(conf);
		check_who(conf);
		for (size_t i = 0; i < conf->role_count; i++) {
			check_role(conf, &conf->roles[i]);
			ask_policy(conf, &conf->roles[i]);
		}
	}
	jb_conf_free(conf);
	free(text);
	return 0;
}
