/*
 * Hosts and approvers that keep a broker busy: each host has a kept TLS connection and files a request, has it approved
 * on an approver's kept connection, and fetches its credentials; then the next one, until COUNT are through.
 *
 *   flow PORT CA.pem KEYS TOKEN COUNT HOSTS    KEYS: a file with an API key a line
 *
 * The clock runs once all of them are connected.
 *
 * Prints the seconds that it took, and the median and 99th percentile of one request's way, in milliseconds.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PUBLIC_KEY                                                                                                     \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                     \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define FILING                                                                                                         \
	"{\"requester\":\"op1\",\"role\":\"admin\",\"duration\":900,\"loginUser\":\"op1\",\"service\":\"sudo\","       \
	"\"target\":\"root\",\"command\":\"/usr/bin/id\",\"reason\":\"bench\",\"publicKey\":" PUBLIC_KEY "}"

struct host {
	struct bufferevent *bev, *approver;
	const char *key;
	char id[37];
	double began;
	enum { FILED, FETCHED } waits_for;
};

static struct event_base *base;
static SSL_CTX *tls;
static struct sockaddr_in broker;
static const char *token;
static size_t left, done, greeted;
static double *times;

__attribute__((noreturn)) static void die(const char *why)
{
	fprintf(stderr, "flow: %s\n", why);
	exit(1);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* An answer that has come whole, taken out of the buffer: its body, the caller's to free. NULL before. */
static char *take_answer(struct bufferevent *bev)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	const size_t have = evbuffer_get_length(input);
	const struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL),
				  length = evbuffer_search(input, "Content-Length: ", 16, NULL);

	if (end.pos < 0 || length.pos < 0)
		return NULL;
	const char *text = (const char *)evbuffer_pullup(input, -1);
	const size_t head = (size_t)end.pos + 4, body = strtoul(text + length.pos + 16, NULL, 10);
	if (have < head + body)
		return NULL;
	char *taken = strndup(text + head, body);
	if (memcmp(text, "HTTP/1.1 200", 12) != 0)
		die(taken);
	evbuffer_drain(input, have);
	return taken;
}

static void post(struct bufferevent *bev, const char *path, const char *header, const char *secret, const char *body)
{
	evbuffer_add_printf(bufferevent_get_output(bev),
			    "POST %s HTTP/1.1\r\nHost: broker\r\n%s%s\r\nContent-Length: %zu\r\n\r\n%s", path, header,
			    secret, strlen(body), body);
}

static void file_next(struct host *h)
{
	if (left == 0)
		return;
	left--;
	h->began = now_ms();
	h->waits_for = FILED;
	post(h->bev, "/request-access", "x-api-key: ", h->key, FILING);
}

static void on_host_read(struct bufferevent *bev, void *arg)
{
	struct host *h = arg;
	char path[80], *body = take_answer(bev);

	if (!body)
		return;
	if (h->waits_for == FILED) {
		const char *id = strstr(body, "\"requestId\":\"");
		if (!id)
			die("a filing was answered without an id");
		snprintf(h->id, sizeof(h->id), "%.36s", id + 13);
		snprintf(path, sizeof(path), "/requests/%s/approve", h->id);
		post(h->approver, path, "Authorization: Bearer ", token, "{}");
	} else {
		if (!strstr(body, "\"sealedCredentials\""))
			die("no credentials came");
		times[done++] = now_ms() - h->began;
		file_next(h);
	}
	free(body);
}

static void on_approver_read(struct bufferevent *bev, void *arg)
{
	struct host *h = arg;
	char path[80], *body = take_answer(bev);

	if (!body)
		return;
	free(body);
	snprintf(path, sizeof(path), "/requests/%s/credentials", h->id);
	h->waits_for = FETCHED;
	post(h->bev, path, "x-api-key: ", h->key, "{\"publicKey\":" PUBLIC_KEY "}");
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if ((what & BEV_EVENT_CONNECTED) && SSL_is_init_finished(bufferevent_openssl_get_ssl(bev)))
		greeted++;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		die("the broker closed a connection");
}

static struct bufferevent *open_one(bufferevent_data_cb on_read, struct host *h)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("cannot make a socket");
	struct bufferevent *bev = bufferevent_openssl_socket_new(base, fd, SSL_new(tls), BUFFEREVENT_SSL_CONNECTING,
								 BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, h);
	if (bufferevent_socket_connect(bev, (struct sockaddr *)&broker, sizeof(broker)) < 0)
		die("cannot connect");
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return bev;
}

static char **read_keys(const char *path, size_t *ret_count)
{
	FILE *file = fopen(path, "re");
	char line[256], **keys = NULL;

	if (!file)
		die("cannot read the keys");
	for (*ret_count = 0; fgets(line, sizeof(line), file); (*ret_count)++) {
		line[strcspn(line, "\n")] = '\0';
		keys = reallocarray(keys, *ret_count + 1, sizeof(*keys));
		keys[*ret_count] = strdup(line);
	}
	fclose(file);
	return keys;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t key_count;

	if (argc != 7)
		die("usage: flow PORT CA KEYS TOKEN COUNT HOSTS");
	base = event_base_new();
	tls = SSL_CTX_new(TLS_client_method());
	if (SSL_CTX_load_verify_locations(tls, argv[2], NULL) != 1)
		die("cannot read the CA");
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	broker = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	broker.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	char **keys = read_keys(argv[3], &key_count);
	token = argv[4];
	const size_t count = strtoul(argv[5], NULL, 10), hosts = strtoul(argv[6], NULL, 10);
	if (!key_count || !count || !hosts)
		die("nothing to do");
	times = calloc(count, sizeof(*times));
	left = count;
	struct host *all = calloc(hosts, sizeof(*all));
	for (size_t i = 0; i < hosts; i++) {
		all[i].key = keys[i % key_count];
		all[i].bev = open_one(on_host_read, &all[i]);
		all[i].approver = open_one(on_approver_read, &all[i]);
	}
	while (greeted < 2 * hosts)
		event_base_loop(base, EVLOOP_ONCE);
	const double began = now_ms();
	for (size_t i = 0; i < hosts; i++)
		file_next(&all[i]);
	while (done < count)
		event_base_loop(base, EVLOOP_ONCE);
	const double took = now_ms() - began;
	qsort(times, count, sizeof(*times), compare);
	printf("%.6f %.3f %.3f\n", took / 1e3, times[count / 2], times[count * 99 / 100]);
	return 0;
}
