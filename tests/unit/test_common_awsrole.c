/* The instance's own credentials: version 2 alone, ahead of their end, and nothing of what makes no sense. */
#include "unit.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <unistd.h>

#include "awsrole.h"
#include "clock.h"

#define ROLES "/latest/meta-data/iam/security-credentials/"

/* The service, on the same loop; what it says may be changed. */
static struct {
	struct event_base *base;
	struct evhttp *http;
	char url[64];
	const char *role, *document; /* NULL: good ones */
	int token_status;
	long life_s;
	bool deaf;
	unsigned rounds, untokened, version_1;
} service;

static void reply(struct evhttp_request *request, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evbuffer_add(body, text, strlen(text));
	evhttp_send_reply(request, status, NULL, body);
	evbuffer_free(body);
}

static void give(struct evhttp_request *request)
{
	char end[JIT_ISO_SIZE], document[512];

	jit_iso_format(jit_wall_s() + service.life_s, end);
	snprintf(document, sizeof(document),
		 "{\n  \"Code\" : \"Success\",\n  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIA%u\",\n"
		 "  \"SecretAccessKey\" : \"s/e+c=\",\n  \"Token\" : \"t\",\n  \"Expiration\" : \"%s\"\n}",
		 service.rounds, end);
	reply(request, 200, service.document ? service.document : document);
}

static void on_request(struct evhttp_request *request, void *arg)
{
	const char *uri = evhttp_request_get_uri(request);
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	const char *token = evhttp_find_header(headers, "X-aws-ec2-metadata-token");

	(void)arg;
	if (service.deaf)
		return;
	if (strcmp(uri, "/latest/api/token") == 0) {
		service.rounds++;
		service.untokened += evhttp_request_get_command(request) != EVHTTP_REQ_PUT ||
				     !evhttp_find_header(headers, "X-aws-ec2-metadata-token-ttl-seconds");
		reply(request, service.token_status, "the-token");
		return;
	}
	if (!token || strcmp(token, "the-token") != 0) {
		service.version_1++;
		reply(request, 401, "");
	} else if (strcmp(uri, ROLES) == 0) {
		reply(request, 200, service.role ? service.role : "jit-host");
	} else if (strcmp(uri, ROLES "jit-host") == 0) {
		give(request);
	} else {
		reply(request, 404, "");
	}
}

static int set_up(void **state)
{
	ev_uint16_t port = 0;

	(void)state;
	memset(&service, 0, sizeof(service));
	service.base = event_base_new();
	service.http = evhttp_new(service.base);
	service.token_status = 200;
	service.life_s = 6 * 3600;
	evhttp_set_allowed_methods(service.http, EVHTTP_REQ_GET | EVHTTP_REQ_PUT);
	evhttp_set_gencb(service.http, on_request, NULL);
	for (port = 20000 + (ev_uint16_t)(getpid() % 20000);; port++)
		if (evhttp_bind_socket(service.http, "127.0.0.1", port) == 0)
			break;
	snprintf(service.url, sizeof(service.url), "http://127.0.0.1:%u", (unsigned)port);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	evhttp_free(service.http);
	event_base_free(service.base);
	return 0;
}

static struct jit_awsrole *fetched(void)
{
	struct jit_awsrole *imds = jit_awsrole_imds_new(service.base, service.url);

	assert_non_null(imds);
	jit_awsrole_wait(imds);
	return imds;
}

/* libcurl's first call takes longer under valgrind than an instance's service is waited for. */
static int warm_up(void **state)
{
	set_up(state);
	jit_awsrole_free(fetched());
	return tear_down(state);
}

static void credentials_come_by_a_token_alone(void **state)
{
	struct jit_awsrole *imds = fetched();
	const struct jit_awsrole_keys *keys = jit_awsrole_keys(imds);

	(void)state;
	assert_non_null(keys);
	assert_int_equal(keys->access_key.len, 5);
	assert_memory_equal(keys->access_key.at, "ASIA1", 5);
	assert_memory_equal(keys->secret_key.at, "s/e+c=", keys->secret_key.len);
	assert_memory_equal(keys->session_token.at, "t", keys->session_token.len);
	assert_int_equal(service.untokened, 0);
	assert_int_equal(service.version_1, 0);
	jit_awsrole_free(imds);
}

static void they_are_kept_until_five_minutes_before_their_end(void **state)
{
	struct jit_awsrole *imds = fetched();
	const struct timeval moment = {.tv_usec = 300000};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_non_null(jit_awsrole_keys(imds));
	event_base_loopexit(service.base, &moment);
	event_base_dispatch(service.base);
	assert_int_equal(service.rounds, 1);
	jit_awsrole_free(imds);
}

static void others_are_fetched_before_they_end(void **state)
{
	struct jit_awsrole *imds;
	int64_t until;

	(void)state;
	service.life_s = 4;
	imds = fetched();
	for (until = jit_boottime_ms() + 20000; service.rounds < 3 && jit_boottime_ms() < until;) {
		event_base_loop(service.base, EVLOOP_ONCE);
		assert_non_null(jit_awsrole_keys(imds));
	}
	assert_int_equal(service.rounds, 3);
	jit_awsrole_free(imds);
}

static void assert_none(const char *why)
{
	struct jit_awsrole *imds = fetched();

	assert_null(jit_awsrole_keys(imds));
	if (!strstr(jit_awsrole_trouble(imds), why))
		fail_msg("\"%s\" does not say \"%s\"", jit_awsrole_trouble(imds), why);
	jit_awsrole_free(imds);
}

static void without_a_token_version_1_is_not_tried(void **state)
{
	(void)state;
	service.token_status = 403;
	assert_none("gives no token: HTTP status 403");
	assert_int_equal(service.version_1, 0);
}

static void an_instance_without_a_role_is_told_so(void **state)
{
	(void)state;
	service.role = "../../other";
	assert_none("names a role that is none");
	service.role = "";
	assert_none("names a role that is none");
	service.role = "a role";
	assert_none("names a role that is none");
	service.role = "another";
	assert_none("gives no credentials: HTTP status 404");
}

static void what_is_over_or_makes_no_sense_is_not_used(void **state)
{
	static const char *const senseless[] = {
		"",
		"<html/>",
		"{\"Code\":\"Success\"}",
		"{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\",\"Expiration\":"
		"\"2090-01-01T00:00:00Z\"}",
		"{\"Code\":\"Success\",\"AccessKeyId\":\"A:B\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
		"\"Expiration\":"
		"\"2090-01-01T00:00:00Z\"}",
		"{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(senseless); i++) {
		service.document = senseless[i];
		assert_none("make no sense");
	}
	service.document = "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
			   "\"Expiration\":\"2020-01-01T00:00:00Z\"}";
	assert_none("are over");
	service.document = "{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\","
			   "\"Expiration\":\"soon\"}";
	assert_none("are over");
}

static void one_that_hangs_holds_up_nobody(void **state)
{
	struct jit_awsrole *imds;
	int64_t began;

	(void)state;
	service.deaf = true;
	imds = jit_awsrole_imds_new(service.base, service.url);
	began = jit_boottime_ms();
	for (unsigned i = 0; i < 1000; i++)
		assert_null(jit_awsrole_keys(imds));
	assert_true(jit_boottime_ms() - began < 1000); /* a thousand questions, not one of which waited */
	jit_awsrole_wait(imds);
	assert_null(jit_awsrole_keys(imds));
	assert_non_null(strstr(jit_awsrole_trouble(imds), "did not answer in time"));
	jit_awsrole_free(imds);
}

/* Each turn of the loop has something to wait for: a call, or the next one's time. */
static void turn_until(int64_t end_ms)
{
	assert_true(jit_boottime_ms() < end_ms);
	assert_int_equal(event_base_loop(service.base, EVLOOP_ONCE), 0);
}

static void keys_from_before_are_good_to_their_end_when_it_fails(void **state)
{
	const int64_t began = jit_boottime_ms(), end = began + 30000;
	struct jit_awsrole *imds;

	(void)state;
	service.life_s = 8;
	imds = fetched();
	service.token_status = 500;
	while (!strstr(jit_awsrole_trouble(imds), "HTTP status 500")) /* others are asked for after half of it */
		turn_until(end);
	assert_non_null(jit_awsrole_keys(imds));
	while (jit_awsrole_keys(imds))
		turn_until(end);
	/* A second before their end, which is told in whole seconds. */
	assert_true(jit_boottime_ms() - began >= (service.life_s - 2) * 1000);
	jit_awsrole_free(imds);
}

static void another_endpoint_is_this_machine_or_none(void **state)
{
	static const char *const others[] = {"http://192.0.2.1", "https://127.0.0.1", "http://127.0.0.1.example.org",
					     "http://127.0.0.1@192.0.2.1", "169.254.169.254"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_null(jit_awsrole_imds_new(service.base, others[i]));
}

static bool is_taken(const struct jit_awsrole_container *container, char *why, size_t size)
{
	struct jit_awsrole *role = jit_awsrole_container_new(service.base, container, why, size);
	const bool taken = role != NULL;

	jit_awsrole_free(role); /* before anything is sent */
	return taken;
}

static void a_containers_credentials_come_from_this_machine_or_aws_own_addresses(void **state)
{
	static const char *const good[] = {"http://169.254.170.2/v2/credentials/1",
					   "http://169.254.170.23/v1/credentials",
					   "http://[fd00:ec2::23]/v1/credentials",
					   "http://127.0.0.1:1/x",
					   "http://localhost/x",
					   "http://[::1]:80/"};
	static const char *const bad[] = {"",
					  "http://169.254.170.2",
					  "http://169.254.170.3/x",
					  "http://169.254.170.2.example.org/x",
					  "http://169.254.170.23@192.0.2.1/x",
					  "http://127.0.0.1@192.0.2.1/x",
					  "http://127.0.0.1:1/x y",
					  "http://127.0.0.1:1/x#y",
					  "http://127.0.0.1:1/x\r\ny",
					  "http://192.0.2.1/http://127.0.0.1/",
					  "https://192.0.2.1/x",
					  "ftp://127.0.0.1/x",
					  "/x"};
	char why[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!is_taken(&(struct jit_awsrole_container){.full_uri = good[i]}, why, sizeof(why)))
			fail_msg("not taken: %s", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (is_taken(&(struct jit_awsrole_container){.full_uri = bad[i]}, why, sizeof(why)))
			fail_msg("taken: %s", bad[i]);
	assert_true(is_taken(&(struct jit_awsrole_container){.relative_uri = "/v2/credentials/1"}, why, sizeof(why)));
	assert_false(is_taken(&(struct jit_awsrole_container){.relative_uri = "@192.0.2.1/x"}, why, sizeof(why)));
	assert_false(is_taken(&(struct jit_awsrole_container){0}, why, sizeof(why)));
	assert_non_null(strstr(why, "this is no container"));
}

static void a_token_that_is_no_header_is_not_sent(void **state)
{
	static const char *const bad[] = {"", "a b", "a\r\nX-Other: b", "\xc3\xa4"};
	char why[256], uri[128];

	(void)state;
	snprintf(uri, sizeof(uri), "%s/x", service.url);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct jit_awsrole_container container = {.full_uri = uri, .token = bad[i]};
		struct jit_awsrole *role = jit_awsrole_container_new(service.base, &container, why, sizeof(why));

		assert_non_null(role);
		assert_null(jit_awsrole_keys(role));
		assert_string_equal(jit_awsrole_trouble(role),
				    "the token for the container's credentials endpoint makes no sense");
		jit_awsrole_free(role);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(credentials_come_by_a_token_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(they_are_kept_until_five_minutes_before_their_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_are_fetched_before_they_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_token_version_1_is_not_tried, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_instance_without_a_role_is_told_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_over_or_makes_no_sense_is_not_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_hangs_holds_up_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_from_before_are_good_to_their_end_when_it_fails, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_endpoint_is_this_machine_or_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_containers_credentials_come_from_this_machine_or_aws_own_addresses,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_that_is_no_header_is_not_sent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
