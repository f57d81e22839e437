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

static void check(const struct jh_conf *c)
{
	const struct jh_service *s;

	FUZZ_CHECK(c->broker_count >= 1 && c->broker_count <= JH_BROKERS_MAX);
	for (size_t i = 0; i < c->broker_count; i++) {
		const char *url = c->brokers[i];

		FUZZ_CHECK(strncmp(url, "https://", 8) == 0 || (c->plain_loopback && jit_fetch_is_plain_loopback(url)));
		FUZZ_CHECK(url[strlen(url) - 1] != '/');
	}
	FUZZ_CHECK(c->api_key_file[0] == '/' && c->pam_socket[0] == '/' && c->session_socket[0] == '/');
	FUZZ_CHECK(c->timeout_s >= 1 && c->timeout_s <= 3600 && c->broker_timeout_s >= 1 && c->broker_timeout_s <= 60);
	FUZZ_CHECK(c->warning_count <= JH_WARNINGS_MAX && c->end_grace_s <= JH_END_GRACE_MAX_S);
	for (size_t i = 1; i < c->warning_count; i++)
		FUZZ_CHECK(c->warnings_s[i - 1] >= c->warnings_s[i]);
	FUZZ_CHECK(!c->tls_certificate == !c->tls_key);
	for (s = LIST_FIRST(&c->services); s; s = LIST_NEXT(s, link))
		FUZZ_CHECK(s->name[0] && s->duration_s >= 1 && jh_conf_service(c, s->name) == s);
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
