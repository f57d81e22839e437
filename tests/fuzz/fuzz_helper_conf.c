/* jit-helper.conf: what is taken keeps every promise of its manual page, and what is not is told with its line. */
#include "conf.h"
#include "fetch.h"
#include "fuzz.h"

static unsigned told;

static void tell(void *arg, const char *message)
{
	const char *at = strchr(message, ':');

	(void)arg;
	told++;
	FUZZ_CHECK(at && strncmp(message, "t.conf:", 7) == 0);
	FUZZ_CHECK(strlen(message) > strlen("t.conf:1: "));
}

static void check_word(const char *word)
{
	FUZZ_CHECK(*word && strlen(word) <= 255 && !strpbrk(word, " \t"));
}

static void check_path(const char *path)
{
	FUZZ_CHECK(!path || *path == '/');
}

static void check_brokers(const struct jh_conf *c)
{
	FUZZ_CHECK(c->broker_count >= 1 && c->broker_count <= JH_BROKERS_MAX);
	for (size_t i = 0; i < c->broker_count; i++) {
		const char *url = c->brokers[i];

		FUZZ_CHECK(strncmp(url, "https://", 8) == 0 || (c->plain_loopback && jit_fetch_is_plain_loopback(url)));
		FUZZ_CHECK(url[strlen(url) - 1] != '/' && !strpbrk(url, " \t?#@"));
		FUZZ_CHECK(c->auth == JH_AUTH_KEY || (!strchr(url, '%') && c->region && !c->demo));
	}
	FUZZ_CHECK(c->auth <= JH_AUTH_BOTH);
	FUZZ_CHECK(!c->imds_endpoint || jit_fetch_is_plain_loopback(c->imds_endpoint));
}

/* The numbers of jit-helper.conf(5). */
static void check_numbers(const struct jh_conf *c)
{
	FUZZ_CHECK(c->timeout_s >= 1 && c->timeout_s <= 3600 && c->broker_timeout_s >= 1 && c->broker_timeout_s <= 60);
	FUZZ_CHECK(c->end_grace_s >= 1 && c->end_grace_s <= 60 && c->ask_attempts <= 9);
	FUZZ_CHECK(c->break_glass_s >= 1 && c->break_glass_s <= 3600 && c->warning_count <= 8);
	for (size_t i = 0; i < c->warning_count; i++)
		FUZZ_CHECK(c->warnings_s[i] >= 1 && c->warnings_s[i] <= (i ? c->warnings_s[i - 1] - 1 : 86400));
}

static void check_sections(const struct jh_conf *c)
{
	const struct jh_service *s;
	const struct jh_role *role;

	for (s = LIST_FIRST(&c->services); s; s = LIST_NEXT(s, link)) {
		FUZZ_CHECK(jh_conf_service(c, s->name) == s && s->unattended <= JH_UNATTENDED_EXISTING);
		FUZZ_CHECK(s->duration_s >= 1 && s->duration_s <= 7 * 86400);
		FUZZ_CHECK(s->silent_wait_s >= 0 && s->silent_wait_s <= 3600);
		check_word(s->name);
		check_word(s->role ? s->role : "any");
	}
	FUZZ_CHECK(!c->demo || (c->broker_count == 1 && !TAILQ_EMPTY(&c->roles)));
	TAILQ_FOREACH(role, &c->roles, link)
	{
		FUZZ_CHECK(jh_conf_role(c, role->name) == role && strcmp(role->name, "*") != 0);
		FUZZ_CHECK(!c->demo || (role->arn && strncmp(role->arn, "arn:", 4) == 0));
		check_word(role->name);
	}
}

static void check(const struct jh_conf *c)
{
	const char *const paths[] = {c->ca_file, c->tls_certificate, c->tls_key, c->aws_credentials_file};

	check_brokers(c);
	check_numbers(c);
	check_sections(c);
	FUZZ_CHECK(c->api_key_file[0] == '/' && c->pam_socket[0] == '/' && c->session_socket[0] == '/');
	FUZZ_CHECK(c->state_dir[0] == '/' && c->spool_dir[0] == '/' && !c->tls_certificate == !c->tls_key);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_path(paths[i]);
	FUZZ_CHECK(strcmp(c->user, "root") != 0);
	check_word(c->user);
	check_word(c->break_glass_group ? c->break_glass_group : "nobody");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_all(data, size);
	struct jh_conf *conf = NULL;

	told = 0;
	int errors = jh_conf_parse("t.conf", text, tell, NULL, &conf);
	FUZZ_CHECK(errors >= 0 && (unsigned)errors == told && !conf == (errors > 0));
	if (conf)
		check(conf);
	jh_conf_free(conf);
	free(text);
	return 0;
}
