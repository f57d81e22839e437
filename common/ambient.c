/* See ambient.h. */
#include "ambient.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kept[] = {
	/* sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5) */
	"LISTEN_PID",
	"LISTEN_FDS",
	"LISTEN_FDNAMES",
	"NOTIFY_SOCKET",
	"WATCHDOG_PID",
	"WATCHDOG_USEC",
	"JOURNAL_STREAM",
	/* what AWS says to a container about the role that it has */
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN",
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

int jit_ambient_forget(void)
{
	const char *value[KEPT];

	/* They stay where they are: clearenv forgets the list alone. */
	for (size_t i = 0; i < KEPT; i++)
		value[i] = getenv(kept[i]);
	if (clearenv() != 0)
		return -ENOMEM;
	for (size_t i = 0; i < KEPT; i++)
		if (value[i] && setenv(kept[i], value[i], 1) < 0)
			return -errno;
	return 0;
}
