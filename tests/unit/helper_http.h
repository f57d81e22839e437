/*
 * What tests of the helper share that need a broker's answers: a server on loopback, which answers as the test says, in
 * the helper's own loop.
 */
#ifndef JIT_TEST_HELPER_HTTP_H
#define JIT_TEST_HELPER_HTTP_H

#include "unit.h"

#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

struct http_broker {
	struct evhttp *http;
	char folder[64], key_file[80], url[64]; /* folder: the test's own, empty again at the end */
};

/* `conf` becomes one of this broker alone. */
static inline void http_broker_start(struct http_broker *b, struct jh_helper *helper, struct jh_conf *conf,
				     void (*answer)(struct evhttp_request *request, void *arg))
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	char why[512];
	FILE *f;

	snprintf(b->folder, sizeof(b->folder), "/tmp/jit-helper-test-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->key_file, sizeof(b->key_file), "%s/key", b->folder);
	assert_non_null(f = fopen(b->key_file, "w"));
	assert_true(fputs("jitk_test\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(b->key_file, 0600), 0);
	*helper = (struct jh_helper){.base = event_base_new(), .conf = conf};
	assert_non_null(b->http = evhttp_new(helper->base));
	evhttp_set_gencb(b->http, answer, NULL);
	assert_non_null(bound = evhttp_bind_socket_with_handle(b->http, "127.0.0.1", 0));
	assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)(void *)&address, &len), 0);
	snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
	*conf = (struct jh_conf){.broker_count = 1,
				 .brokers = {b->url},
				 .api_key_file = b->key_file,
				 .plain_loopback = true,
				 .broker_timeout_s = 5};
	assert_non_null(helper->alarms = jh_alarms_new(helper->base));
	assert_non_null(helper->broker = jh_broker_new(helper->base, conf, why, sizeof(why)));
}

static inline void http_broker_stop(struct http_broker *b, struct jh_helper *helper)
{
	jh_broker_free(helper->broker);
	jh_alarms_free(helper->alarms);
	evhttp_free(b->http);
	event_base_free(helper->base);
	unlink(b->key_file);
	assert_int_equal(rmdir(b->folder), 0);
}

#endif
