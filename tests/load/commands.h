/* What a program of the tests is told to do, by lines on its standard input: each is obeyed, and at their end it ends.
 */
#ifndef JIT_TEST_COMMANDS_H
#define JIT_TEST_COMMANDS_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>

struct commands {
	void (*obey)(char *line);
	struct evbuffer *input;
};

static inline void commands_read(evutil_socket_t fd, short what, void *arg)
{
	struct commands *commands = arg;
	char *line;

	(void)what;
	if (evbuffer_read(commands->input, fd, -1) <= 0)
		exit(0);
	while ((line = evbuffer_readln(commands->input, NULL, EVBUFFER_EOL_LF))) {
		commands->obey(line);
		free(line);
	}
}

/* Until the program ends. */
static inline void commands_obey(struct event_base *base, void (*obey)(char *line))
{
	static struct commands commands;

	commands = (struct commands){obey, evbuffer_new()};
	event_add(event_new(base, 0, EV_READ | EV_PERSIST, commands_read, &commands), NULL);
}

#endif
