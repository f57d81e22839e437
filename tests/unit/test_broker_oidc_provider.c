/* What is known of the provider: fetched once for all who wait, refused when it is not what it must be, and not too
 * often. */
#include "unit.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>

#include "clock.h"
#include "fetch.h"
#include "oidc_form.h"
#include "oidc_provider.h"
#include "provider.h"

/* A provider on loopback that says what the test wants it to say. */
struct world {
	struct event_base *base;
	struct evhttp *http;
	struct jit_fetch *fetch;
	struct jb_conf conf;
	struct jb_oidc_provider *provider;
	char issuer[64], about[4096], keys[4096];
	int asked_about, asked_keys, status;
	int padding; /* blanks before its discovery document */
	int told;
	char why[512];
};

static void on_about(struct evhttp_request *request, void *arg)
{
	struct world *w = arg;

	w->asked_about++;
	evbuffer_add_printf(evhttp_request_get_output_buffer(request), "%*s%s", w->padding, "", w->about);
	evhttp_send_reply(request, w->status, "Said", NULL);
}

static void on_keys(struct evhttp_request *request, void *arg)
{
	struct world *w = arg;

	w->asked_keys++;
	evbuffer_add_printf(evhttp_request_get_output_buffer(request), "%s", w->keys);
	evhttp_send_reply(request, 200, "OK", NULL);
}

static void on_told(void *arg, const char *why)
{
	struct world *w = arg;

	w->told++;
	snprintf(w->why, sizeof(w->why), "%s", why ? why : "");
}

/* A key set with one new key of that name. */
static void publish(struct world *w, const char *kid)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char jwk[1024];

	public_jwk(key, kid, "", jwk, sizeof(jwk));
	snprintf(w->keys, sizeof(w->keys), "{\"keys\":[%s]}", jwk);
	EVP_PKEY_free(key);
}

static void say_about(struct world *w, const char *issuer, const char *token_endpoint, const char *more)
{
	snprintf(w->about, sizeof(w->about),
		 "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/auth\",\"token_endpoint\":\"%s\","
		 "\"jwks_uri\":\"%s/keys\"%s}",
		 issuer, w->issuer, token_endpoint, w->issuer, more);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct jit_fetch_options options = {.plain_loopback = true};

	w->status = 200;
	w->base = event_base_new();
	w->http = evhttp_new(w->base);
	struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(w->http, "127.0.0.1", 0);
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	if (!bound || getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &len) < 0)
		return -1;
	snprintf(w->issuer, sizeof(w->issuer), "http://127.0.0.1:%u", ntohs(at.sin_port));
	evhttp_set_cb(w->http, "/.well-known/openid-configuration", on_about, w);
	evhttp_set_cb(w->http, "/keys", on_keys, w);
	w->conf = (struct jb_conf){.oidc_issuer = w->issuer, .oidc_plain_loopback = true};
	w->fetch = jit_fetch_new(w->base, &options);
	w->provider = jb_oidc_provider_new(&w->conf, w->fetch);
	publish(w, "k1");
	say_about(w, w->issuer, w->issuer, "");
	*state = w;
	return w->provider ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	jb_oidc_provider_free(w->provider);
	jit_fetch_free(w->fetch);
	evhttp_free(w->http);
	event_base_free(w->base);
	free(w);
	return 0;
}

/* Waits until somebody is told; what they are told is in w->why. */
static void wait_told(struct world *w, int told)
{
	const int64_t deadline = jit_boottime_ms() + 10000;

	while (w->told < told && jit_boottime_ms() < deadline)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->told, told);
}

static void know(struct world *w)
{
	struct jb_oidc_wait wait = {.done = on_told, .arg = w};

	w->told = 0;
	assert_int_equal(jb_oidc_provider_know(w->provider, false, jit_boottime_ms(), &wait), JB_OIDC_LATER);
	wait_told(w, 1);
}

static void all_who_wait_share_one_fetch_and_what_it_brought_is_kept(void **state)
{
	struct world *w = *state;
	struct jb_oidc_wait waits[3];
	const int64_t now = jit_boottime_ms();

	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		waits[i] = (struct jb_oidc_wait){.done = on_told, .arg = w};
		assert_int_equal(jb_oidc_provider_know(w->provider, false, now, &waits[i]), JB_OIDC_LATER);
	}
	jb_oidc_provider_forget(w->provider, &waits[1]);
	wait_told(w, 2);
	assert_string_equal(w->why, "");
	assert_int_equal(w->asked_about + w->asked_keys, 2);
	assert_non_null(jb_oidc_keys_find(jb_oidc_provider_keys(w->provider), JB_OIDC_ES256, "k1"));
	assert_int_equal(jb_oidc_provider_know(w->provider, false, jit_boottime_ms(), &waits[0]), JB_OIDC_NOW);
	/* Ten minutes later it is asked again. */
	assert_int_equal(jb_oidc_provider_know(w->provider, false, now + JB_OIDC_KEPT_MS + 60000, &waits[0]),
			 JB_OIDC_LATER);
	wait_told(w, 3);
	assert_int_equal(w->asked_keys, 2);
}

static void new_keys_are_fetched_for_a_token_that_names_them_but_not_for_each(void **state)
{
	struct world *w = *state;
	struct jb_oidc_wait wait = {.done = on_told, .arg = w};
	const int64_t now = jit_boottime_ms();

	know(w);
	publish(w, "k2");
	assert_int_equal(jb_oidc_provider_know(w->provider, true, now + 1000, &wait), JB_OIDC_NOT_NOW);
	assert_string_equal(jb_oidc_provider_why(w->provider), "its keys were fetched a moment ago");
	assert_int_equal(jb_oidc_provider_know(w->provider, true, now + JB_OIDC_ANEW_MS + 1000, &wait), JB_OIDC_LATER);
	wait_told(w, 2);
	assert_non_null(jb_oidc_keys_find(jb_oidc_provider_keys(w->provider), JB_OIDC_ES256, "k2"));
	assert_null(jb_oidc_keys_find(jb_oidc_provider_keys(w->provider), JB_OIDC_ES256, "k1"));
	assert_int_equal(jb_oidc_provider_know(w->provider, true, now + JB_OIDC_ANEW_MS + 2000, &wait),
			 JB_OIDC_NOT_NOW);
}

static void a_failure_is_not_repeated_at_once_and_leaves_what_was_known(void **state)
{
	struct world *w = *state;
	struct jb_oidc_wait wait = {.done = on_told, .arg = w};

	know(w);
	snprintf(w->keys, sizeof(w->keys), "{\"keys\":[]}");
	assert_int_equal(jb_oidc_provider_know(w->provider, true, jit_boottime_ms() + JB_OIDC_ANEW_MS, &wait),
			 JB_OIDC_LATER);
	wait_told(w, 2);
	assert_non_null(strstr(w->why, "/keys: it has no key that could verify ES256 or RS256"));
	assert_int_equal(jb_oidc_provider_know(w->provider, true, jit_boottime_ms() + 1, &wait), JB_OIDC_NOT_NOW);
	assert_int_equal(jb_oidc_provider_know(w->provider, false, jit_boottime_ms() + 1, &wait), JB_OIDC_NOW);
	assert_non_null(jb_oidc_keys_find(jb_oidc_provider_keys(w->provider), JB_OIDC_ES256, "k1"));
}

static void expect_failure(struct world *w, const char *why)
{
	know(w);
	if (!strstr(w->why, why))
		fail_msg("\"%s\" is not in \"%s\"", why, w->why);
	assert_null(jb_oidc_provider_keys(w->provider));
}

static void a_document_about_another_issuer_is_refused(void **state)
{
	struct world *w = *state;
	char other[80];

	snprintf(other, sizeof(other), "%s/", w->issuer);
	say_about(w, other, w->issuer, "");
	expect_failure(w, "it is about another issuer than oidc_issuer names");
}

static void an_endpoint_that_is_not_https_is_refused(void **state)
{
	static const char *const endpoints[] = {"ftp://a", "https://a b", "https://a\\r\\nX: y", "", "//a"};
	struct world *w = *state;
	struct jb_oidc_about about;
	char why[256];

	for (size_t i = 0; i < COUNT_OF(endpoints); i++) {
		say_about(w, w->issuer, endpoints[i], "");
		assert_int_equal(jb_oidc_about_read(&w->conf, w->about, strlen(w->about), &about, why, sizeof(why)),
				 -1);
		assert_non_null(strstr(why, "not all https addresses"));
	}
	w->conf.oidc_plain_loopback = false;
	say_about(w, w->issuer, "https://a", "");
	assert_int_equal(jb_oidc_about_read(&w->conf, w->about, strlen(w->about), &about, why, sizeof(why)), -1);
}

static void plain_http_leads_to_loopback_alone(void **state)
{
	struct world *w = *state;

	snprintf(w->about, sizeof(w->about),
		 "{\"issuer\":\"%s\",\"authorization_endpoint\":\"http://a\",\"token_endpoint\":\"http://a\","
		 "\"jwks_uri\":\"http://192.0.2.1/keys\"}",
		 w->issuer);
	expect_failure(w, "http://192.0.2.1/keys: ");
}

static void an_oversized_document_is_refused(void **state)
{
	struct world *w = *state;

	w->padding = 256 * 1024;
	expect_failure(w, "/.well-known/openid-configuration: ");
	assert_int_equal(w->asked_keys, 0);
}

static void garbage_and_refusals_are_told_as_what_they_are(void **state)
{
	struct world *w = *state;

	snprintf(w->about, sizeof(w->about), "<html>not here</html>");
	expect_failure(w, "it is no discovery document");
	/* A crowd at the door does not make the broker knock without end. */
	struct jb_oidc_wait wait = {.done = on_told, .arg = w};
	assert_int_equal(jb_oidc_provider_know(w->provider, false, jit_boottime_ms(), &wait), JB_OIDC_NOT_NOW);
	assert_non_null(strstr(jb_oidc_provider_why(w->provider), "it is no discovery document"));
	assert_int_equal(jb_oidc_provider_know(w->provider, false, jit_boottime_ms() + JB_OIDC_FAILED_MS + 1, &wait),
			 JB_OIDC_LATER);
	wait_told(w, 2);
}

static void a_status_other_than_200_is_no_document(void **state)
{
	struct world *w = *state;

	w->status = 302;
	expect_failure(w, "it answered with status 302");
}

/* Forms */

static void the_secret_goes_where_the_provider_takes_it(void **state)
{
	struct world *w = *state;
	static char client[] = "jit broker", redirect[] = "https://a/sign-in/oidc/answer";
	struct jb_oidc_token_form form;
	struct jb_oidc_about about = {0};

	w->conf.oidc_client_id = client;
	w->conf.oidc_redirect = redirect;
	assert_true(jb_oidc_token_form(&w->conf, &about, "c&d", "v", "s:1", &form));
	assert_string_equal(form.body,
			    "grant_type=authorization_code&code=c%26d&redirect_uri=https%3A%2F%2Fa%2Fsign-in%2F"
			    "oidc%2Fanswer&code_verifier=v");
	assert_string_equal(form.authorization, "Authorization: Basic aml0JTIwYnJva2VyOnMlM0Ex");
	about.secret_in_form = true;
	assert_true(jb_oidc_token_form(&w->conf, &about, "c", "v", "s:1", &form));
	assert_non_null(strstr(form.body, "&client_id=jit%20broker&client_secret=s%3A1"));
	assert_string_equal(form.authorization, "");
	assert_true(jb_oidc_token_form(&w->conf, &about, "c", "v", NULL, &form));
	assert_null(strstr(form.body, "client_secret"));
}

static void what_does_not_fit_is_not_sent(void **state)
{
	struct world *w = *state;
	static char scopes[4000], client[] = "c", redirect[] = "https://a/sign-in/oidc/answer";
	struct jb_oidc_about about = {.authorization = "https://a/auth?tenant=1"};
	const struct jb_oidc_begun begun = {"s", "n", "c", "h"};
	char location[JB_OIDC_LOCATION];

	w->conf.oidc_client_id = client;
	w->conf.oidc_redirect = redirect;
	w->conf.oidc_scopes = scopes;
	snprintf(scopes, sizeof(scopes), "openid email");
	assert_true(jb_oidc_location(&w->conf, &about, &begun, location));
	assert_string_equal(location,
			    "https://a/auth?tenant=1&response_type=code&client_id=c&redirect_uri=https%3A%2F%2F"
			    "a%2Fsign-in%2Foidc%2Fanswer&scope=openid%20email&state=s&nonce=n&"
			    "code_challenge=h&code_challenge_method=S256");
	memset(scopes, 'a', sizeof(scopes) - 1);
	assert_false(jb_oidc_location(&w->conf, &about, &begun, location));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_who_wait_share_one_fetch_and_what_it_brought_is_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(new_keys_are_fetched_for_a_token_that_names_them_but_not_for_each,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_is_not_repeated_at_once_and_leaves_what_was_known, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_document_about_another_issuer_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endpoint_that_is_not_https_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(plain_http_leads_to_loopback_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(an_oversized_document_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_and_refusals_are_told_as_what_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(a_status_other_than_200_is_no_document, setup, teardown),
		cmocka_unit_test_setup_teardown(the_secret_goes_where_the_provider_takes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_not_sent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
