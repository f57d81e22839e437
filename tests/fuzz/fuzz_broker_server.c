/*
 * A connection to the broker's server, in the pieces in which it comes: two bytes before each say how long it is. What
 * goes back is one whole answer after the other, no more than were asked for, and nothing of the connection stays.
 */
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fuzz.h"
#include "server.h"

#define GOT_MAX (1 << 18)

static struct event_base *base;
static struct jb_server *server;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_len;
static unsigned handled, gone;

static void on_gone(void *arg)
{
	(void)arg;
	gone++;
}

static void handle(void *arg, struct jb_call *call)
{
	size_t len;
	const char *body = jb_call_body(call, &len);

	(void)arg;
	handled++;
	FUZZ_CHECK(body[len] == '\0' && jb_call_path(call)[0] == '/' && *jb_call_method(call));
	if (strcmp(jb_call_path(call), "/later") == 0)
		jb_call_on_gone(call, on_gone, NULL);
	else
		jb_call_reply(call, 200, "Content-Type: text/plain\r\n", body, len);
}

static void start(void)
{
	const struct jb_server_options options = {.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
	char why[256];

	/* An abstract name: no file of it is left behind. */
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "jit-fuzz-%d", (int)getpid());
	address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1U + (unsigned)n);
	FUZZ_CHECK(bind(options.listen_fd, (struct sockaddr *)&address, address_len) == 0);
	FUZZ_CHECK(listen(options.listen_fd, 4) == 0 && (base = event_base_new()));
	FUZZ_CHECK((server = jb_server_new(base, &options, handle, NULL, why, sizeof(why))));
}

static void serve(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static size_t receive(int fd, char *got, size_t len)
{
	ssize_t n;

	while ((n = recv(fd, got + len, GOT_MAX - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	return len;
}

/* What came, as a client reads it. */
static unsigned count_answers(const char *got, size_t len)
{
	const char *at = got, *end = got + len;
	unsigned answers = 0;

	while (at < end) {
		const char *body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		char *rest;

		FUZZ_CHECK(strncmp(at, "HTTP/1.1 ", 9) == 0);
		if (!body)
			break;
		body += 4;
		if (strncmp(at + 9, "100 ", 4) == 0) {
			at = body;
			continue;
		}
		const char *length = memmem(at, (size_t)(body - at), "\r\nContent-Length: ", 18);
		FUZZ_CHECK(length && memmem(at, (size_t)(body - at), "\r\nConnection: ", 14));
		const unsigned long size = strtoul(length + 18, &rest, 10);
		FUZZ_CHECK(*rest == '\r' && size <= (unsigned long)(end - body));
		at = body + size;
		answers++;
	}
	return answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char got[GOT_MAX];
	struct fuzz_input in = {data, size};
	size_t got_len = 0, len;

	if (!server)
		start();
	handled = gone = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, address_len) == 0);
	while (in.left) {
		const uint8_t high = fuzz_byte(&in);
		uint8_t *piece = fuzz_bytes(&in, (size_t)high << 8 | fuzz_byte(&in), &len);

		(void)send(fd, piece, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		free(piece);
		serve();
		got_len = receive(fd, got, got_len);
	}
	unsigned answers = count_answers(got, got_len);
	/* A refusal is the server's own, and the last word. */
	FUZZ_CHECK(answers <= handled + 1 && answers + 1 >= handled);
	close(fd);
	for (int i = 0; i < 20 && jb_server_connections(server); i++)
		serve();
	FUZZ_CHECK(jb_server_connections(server) == 0 && answers + gone >= handled);
	return 0;
}
