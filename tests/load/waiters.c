/*
 * Thousands of hosts in one process, for tests of a broker under load: each has a
 * TLS connection with a long poll on it. Told what to do by lines on standard
 * input, it answers each with one line of JSON.
 *
 *   waiters PORT CA.pem KEYS    KEYS: a file with an API key a line
 *   wait N CURSOR       opens N long polls, and keeps them; says so when all are sent
 *   measure N           N listings, each with a connection of its own, and N filings on one that stays: milliseconds
 *   wake TOKEN FILE     denies the requests whose ids FILE holds; says how long it took until each long poll knew
 *   reset N             N long polls vanish
 *   stopping            from here on each long poll is to be answered once, and then its connection closed; counts them
 *   slow N              N connections send their header a byte at a time
 *   slow?               how many of these are still there
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

#define OPENING_MAX 32 /* handshakes at once: a fleet does not come in one instant */
#define SAMPLES_MAX 20000
#define KEYS_MAX    20000
#define PACE_US	    2000 /* between two requests that are measured */
#define TRICKLE_US  500000

struct peer {
	struct peer *next;
	struct bufferevent *bev;
	const char *key;
	void (*answered)(struct peer *peer, const char *body);
	long long after; /* a long poll's cursor */
	unsigned woken;	 /* the last round in which it heard of a change */
	bool polls;
	bool is_over; /* answered by a broker that stops, or put out by it */
};

/* One row of requests, one after the other, and how long each took. */
struct row {
	struct peer *peer; /* where it has one that stays */
	struct event *pace;
	void (*ask)(struct row *row);
	size_t left, count;
	double began, ms[SAMPLES_MAX];
};

static struct event_base *base;
static SSL_CTX *tls;
static struct sockaddr_in broker;
static char *keys[KEYS_MAX];
static size_t key_count;

static struct {
	struct peer *first;
	size_t wanted, sent, opening, woken;
	long long cursor;
	double began;
	unsigned round; /* of decisions */
} waiting;
static struct row fresh_row, kept_row;
static struct {
	bool on;
	size_t answered, lost;
} stopping;
static struct {
	char *token;
	FILE *ids;
	size_t answered;
	double denied;
} decisions;
static struct {
	struct peer *first;
	struct event *trickle;
	size_t count;
} slow;

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

__attribute__((noreturn)) static void die(const char *why)
{
	say("{\"error\": \"%s\"}", why);
	exit(1);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	struct peer *peer = arg;
	unsigned long long body_len = 0;

	if (end.pos < 0)
		return;
	char *text = (char *)evbuffer_pullup(input, -1);
	const size_t have = evbuffer_get_length(input), head_len = (size_t)end.pos + 4;
	const char *length = memmem(text, head_len, "Content-Length: ", 16);
	if (length)
		body_len = strtoull(length + 16, NULL, 10);
	if (have < head_len + body_len)
		return;
	if (memcmp(text, "HTTP/1.1 200", 12) != 0 && memcmp(text, "HTTP/1.1 404", 12) != 0)
		die("an answer was not 200");
	char *body = strndup(text + head_len, body_len);
	evbuffer_drain(input, have);
	peer->answered(peer, body);
	free(body);
}

static void count_stopped(struct peer *peer, size_t *counter)
{
	if (!peer->polls || peer->is_over)
		return;
	peer->is_over = true;
	(*counter)++;
	if (stopping.answered + stopping.lost < waiting.sent)
		return;
	say("{\"answered\": %zu, \"lost\": %zu}", stopping.answered, stopping.lost);
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	if (stopping.on)
		count_stopped(arg, &stopping.lost);
	else
		die("the broker closed a connection");
}

/* From an address that no other test uses: thousands of ports of 127.0.0.1 are not to be missing there. */
static int open_socket(void)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		die("cannot make a socket");
	return fd;
}

static struct peer *open_peer(const char *key, void (*answered)(struct peer *peer, const char *body))
{
	struct peer *peer = calloc(1, sizeof(*peer));
	SSL *ssl = SSL_new(tls);

	peer->key = key;
	peer->answered = answered;
	peer->bev = bufferevent_openssl_socket_new(base, open_socket(), ssl, BUFFEREVENT_SSL_CONNECTING,
						   BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(peer->bev, on_read, NULL, on_end, peer);
	if (bufferevent_socket_connect(peer->bev, (struct sockaddr *)&broker, sizeof(broker)) < 0)
		die("cannot connect");
	bufferevent_enable(peer->bev, EV_READ | EV_WRITE);
	return peer;
}

/* With `at_once` the broker hears nothing but a reset. */
static void close_peer(struct peer *peer, bool at_once)
{
	const struct linger reset = {.l_onoff = 1};

	if (at_once)
		setsockopt(bufferevent_getfd(peer->bev), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	bufferevent_free(peer->bev);
	free(peer);
}

/* wait */

static void open_more(void);

static void poll_again(struct peer *peer)
{
	evbuffer_add_printf(bufferevent_get_output(peer->bev),
			    "GET /changes?after=%lld&wait=25 HTTP/1.1\r\nHost: broker\r\nUser-Agent: jit-helper\r\n"
			    "x-api-key: %s\r\n\r\n",
			    peer->after, peer->key);
}

static void count_woken(void)
{
	waiting.woken++;
	if (waiting.woken == waiting.sent)
		say("{\"woken\": %zu, \"seconds\": %.3f, \"decided\": %zu, \"deciding\": %.3f}", waiting.woken,
		    (now_ms() - waiting.began) / 1e3, decisions.answered, (decisions.denied - waiting.began) / 1e3);
}

static void long_poll_answered(struct peer *peer, const char *body)
{
	const char *next = strstr(body, "\"next\":");

	if (stopping.on) {
		count_stopped(peer, &stopping.answered);
		return;
	}
	if (!strstr(body, "\"changes\":[]")) { /* else its time was over */
		peer->after = next ? strtoll(next + 7, NULL, 10) : 0;
		if (peer->woken != waiting.round)
			count_woken();
		peer->woken = waiting.round;
	}
	poll_again(peer);
}

static void on_greeted(struct bufferevent *bev, short what, void *arg)
{
	if (!(what & BEV_EVENT_CONNECTED)) {
		on_end(bev, what, arg);
		return;
	}
	if (!bufferevent_openssl_get_ssl(bev) || !SSL_is_init_finished(bufferevent_openssl_get_ssl(bev)))
		return; /* TCP alone */
	waiting.opening--;
	waiting.sent++;
	if (waiting.sent == waiting.wanted)
		say("{\"waiting\": %zu, \"seconds\": %.2f}", waiting.sent, (now_ms() - waiting.began) / 1e3);
	open_more();
}

static void open_more(void)
{
	while (waiting.opening < OPENING_MAX && waiting.sent + waiting.opening < waiting.wanted) {
		struct peer *peer = open_peer(keys[(waiting.sent + waiting.opening) % key_count], long_poll_answered);

		bufferevent_setcb(peer->bev, on_read, NULL, on_greeted, peer);
		peer->polls = true;
		peer->after = waiting.cursor;
		peer->woken = waiting.round;
		poll_again(peer);
		peer->next = waiting.first;
		waiting.first = peer;
		waiting.opening++;
	}
}

/* measure */

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_row(const char *name, struct row *row)
{
	qsort(row->ms, row->count, sizeof(row->ms[0]), compare);
	printf("\"%s\": {\"count\": %zu, \"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f}", name, row->count,
	       row->ms[row->count / 2], row->ms[row->count * 99 / 100], row->ms[row->count - 1]);
}

static void row_is_over(void)
{
	if (fresh_row.left || kept_row.left)
		return;
	putchar('{');
	print_row("fresh", &fresh_row);
	printf(", ");
	print_row("kept", &kept_row);
	say("}");
}

static void ask_soon(struct row *row)
{
	const struct timeval pace = {.tv_usec = PACE_US};

	event_add(row->pace, &pace);
}

/* False: it was the last one. */
static bool took(struct row *row)
{
	row->ms[row->count++] = now_ms() - row->began;
	row->left--;
	if (!row->left)
		row_is_over();
	return row->left > 0;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct row *row = arg;

	(void)fd;
	(void)what;
	row->began = now_ms();
	row->ask(row);
}

static void listed(struct peer *peer, const char *body)
{
	(void)body;
	close_peer(peer, false);
	if (took(&fresh_row))
		ask_soon(&fresh_row);
}

static void ask_for_the_list(struct row *row)
{
	struct peer *peer = open_peer(keys[row->left % key_count], listed);

	evbuffer_add_printf(bufferevent_get_output(peer->bev),
			    "GET /requests HTTP/1.1\r\nHost: broker\r\nx-api-key: %s\r\n\r\n", peer->key);
}

static void withdrawn(struct peer *peer, const char *body);

/* What was filed is withdrawn before the next, and that is not measured. */
static void filed(struct peer *peer, const char *body)
{
	const char *id = strstr(body, "\"requestId\":\"");

	if (!id)
		die("a filing was answered without an id");
	took(&kept_row);
	peer->answered = withdrawn;
	evbuffer_add_printf(bufferevent_get_output(peer->bev),
			    "POST /requests/%.36s/cancel HTTP/1.1\r\nHost: broker\r\nContent-Length: 0\r\n"
			    "x-api-key: %s\r\n\r\n",
			    id + 13, peer->key);
}

static void withdrawn(struct peer *peer, const char *body)
{
	(void)body;
	peer->answered = filed;
	if (kept_row.left)
		ask_soon(&kept_row);
}

static void file_a_request(struct row *row)
{
	static const char body[] =
		"{\"requester\":\"op1\",\"role\":\"admin\",\"duration\":900,\"loginUser\":\"op1\",\"service\":\"sudo\","
		"\"target\":\"root\",\"command\":\"/usr/bin/id\",\"reason\":\"load\",\"publicKey\":{\"kty\":\"EC\","
		"\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}}";

	if (!row->peer)
		row->peer = open_peer(keys[0], filed);
	evbuffer_add_printf(bufferevent_get_output(row->peer->bev),
			    "POST /request-access HTTP/1.1\r\nHost: broker\r\nContent-Length: %zu\r\n"
			    "x-api-key: %s\r\n\r\n%s",
			    sizeof(body) - 1, row->peer->key, body);
}

static void start_row(struct row *row, size_t count, void (*ask)(struct row *row))
{
	if (!row->pace)
		row->pace = evtimer_new(base, on_pace, row);
	row->ask = ask;
	row->left = count;
	row->count = 0;
	ask_soon(row);
}

/* wake */

static void decide_next(struct peer *peer, const char *body)
{
	char id[64];

	if (body)
		decisions.answered++;
	decisions.denied = now_ms();
	if (!fgets(id, sizeof(id), decisions.ids)) {
		fclose(decisions.ids);
		free(decisions.token);
		close_peer(peer, false);
		return;
	}
	id[strcspn(id, "\n")] = '\0';
	evbuffer_add_printf(bufferevent_get_output(peer->bev),
			    "POST /requests/%s/deny HTTP/1.1\r\nHost: broker\r\nContent-Length: 2\r\n"
			    "Authorization: Bearer %s\r\n\r\n{}",
			    id, decisions.token);
}

static void on_decider(struct bufferevent *bev, short what, void *arg)
{
	if (!(what & BEV_EVENT_CONNECTED)) {
		on_end(bev, what, arg);
	} else if (SSL_is_init_finished(bufferevent_openssl_get_ssl(bev)) && !decisions.answered) {
		waiting.began = now_ms();
		decide_next(arg, NULL);
	}
}

static void wake(const char *token, const char *path)
{
	decisions.token = strdup(token);
	decisions.answered = 0;
	decisions.ids = fopen(path, "re");
	if (!decisions.ids)
		die("cannot read the file of ids");
	waiting.round++;
	waiting.woken = 0;
	struct peer *peer = open_peer(NULL, decide_next);
	bufferevent_setcb(peer->bev, on_read, NULL, on_decider, peer);
}

/* reset, slow */

static void vanish(size_t count)
{
	size_t gone = 0;

	for (struct peer *peer; gone < count && (peer = waiting.first); gone++) {
		waiting.first = peer->next;
		waiting.sent--;
		close_peer(peer, true);
	}
	say("{\"reset\": %zu}", gone);
}

static void on_slow_end(struct bufferevent *bev, short what, void *arg)
{
	struct peer *peer = arg, **at = &slow.first;

	(void)bev;
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	slow.count--;
	close_peer(peer, false);
}

static void on_trickle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	for (struct peer *peer = slow.first; peer; peer = peer->next)
		bufferevent_write(peer->bev, "a", 1);
}

static void be_slow(size_t count)
{
	static const char begun[] = "GET /healthz HTTP/1.1\r\nHost: broker\r\nX: ";
	const struct timeval trickle = {.tv_usec = TRICKLE_US};

	for (size_t i = 0; i < count; i++) {
		struct peer *peer = open_peer(NULL, NULL);

		bufferevent_setcb(peer->bev, NULL, NULL, on_slow_end, peer);
		bufferevent_write(peer->bev, begun, sizeof(begun) - 1);
		peer->next = slow.first;
		slow.first = peer;
		slow.count++;
	}
	if (!slow.trickle)
		slow.trickle = event_new(base, -1, EV_PERSIST, on_trickle, NULL);
	event_add(slow.trickle, &trickle);
	say("{\"slow\": %zu}", slow.count);
}

static void obey(char *line)
{
	const char *word = strsep(&line, " "), *first = strsep(&line, " "), *second = strsep(&line, " ");
	const size_t n = first ? strtoul(first, NULL, 10) : 0;

	if (strcmp(word, "wait") == 0 && n && second) {
		waiting.cursor = strtoll(second, NULL, 10);
		waiting.wanted = waiting.sent + n;
		waiting.began = now_ms();
		open_more();
	} else if (strcmp(word, "measure") == 0 && n && n <= SAMPLES_MAX) {
		start_row(&fresh_row, n, ask_for_the_list);
		start_row(&kept_row, n, file_a_request);
	} else if (strcmp(word, "wake") == 0 && second) {
		wake(first, second);
	} else if (strcmp(word, "reset") == 0) {
		vanish(n);
	} else if (strcmp(word, "stopping") == 0) {
		stopping.on = true;
		say("{}");
	} else if (strcmp(word, "slow") == 0) {
		be_slow(n);
	} else if (strcmp(word, "slow?") == 0) {
		say("{\"slow\": %zu}", slow.count);
	} else {
		die("this command is none");
	}
}

static void read_keys(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];

	if (!file)
		die("cannot read the keys");
	while (key_count < KEYS_MAX && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		keys[key_count++] = strdup(line);
	}
	fclose(file);
	if (!key_count)
		die("there is no key");
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc != 4)
		die("usage: waiters PORT CA KEYS");
	base = event_base_new();
	tls = SSL_CTX_new(TLS_client_method());
	if (SSL_CTX_load_verify_locations(tls, argv[2], NULL) != 1)
		die("cannot read the CA");
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	broker = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	broker.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	read_keys(argv[3]);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	commands_obey(base, obey);
	event_base_dispatch(base);
}
