/* See talk.h. */
#include "talk.h"

#include "clock.h"
#include "sshd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <security/pam_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define TICK_MS		1000

void pj_talk_start(struct pj_talk *talk, pam_handle_t *pamh, enum pj_phase phase, enum pj_app app)
{
	*talk = (struct pj_talk){
		.pamh = pamh,
		.mute = app == PJ_POLKIT && phase == PJ_OPEN,
		.live = app != PJ_SSHD || pj_sshd_is_live(),
		/* In sshd and login the controlling terminal, if any, is the console of whoever started them. */
		.may_draw = app != PJ_SSHD && app != PJ_LOGIN,
		.tty = -1,
	};
}

static void draw(const struct pj_talk *talk, const char *text)
{
	/* A terminal that takes nothing (Ctrl-S) misses a second's drawing: O_NONBLOCK, and the next one follows. */
	if (write(talk->tty, text, strlen(text)) < 0)
		return;
}

static void leave_line(struct pj_talk *talk)
{
	if (talk->drawn)
		draw(talk, "\n");
	talk->drawn = false;
}

void pj_talk_end(struct pj_talk *talk)
{
	leave_line(talk);
	talk->waiting[0] = '\0';
	if (talk->tty >= 0)
		close(talk->tty);
	talk->tty = -1;
}

bool pj_talk_can_ask(pam_handle_t *pamh)
{
	const void *item = NULL;

	if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || !item)
		return false;
	return ((const struct pam_conv *)item)->conv != NULL;
}

void pj_talk_say(struct pj_talk *talk, bool error, const char *text)
{
	char clean[JIT_LINE_SIZE];

	leave_line(talk);
	talk->not_before = jit_boottime_ms() + TICK_MS;
	if (talk->mute)
		return;
	jit_text_clean_str(clean, sizeof(clean), text);
	pam_prompt(talk->pamh, error ? PAM_ERROR_MSG : PAM_TEXT_INFO, NULL, "%s", clean);
}

int pj_talk_ask(struct pj_talk *talk, const char *text, bool echo, char *buf, size_t size)
{
	char clean[JIT_LINE_SIZE];
	char *answer = NULL;

	if (talk->mute)
		return -EIO;
	leave_line(talk);
	jit_text_clean_str(clean, sizeof(clean), text);
	int r = pam_prompt(talk->pamh, echo ? PAM_PROMPT_ECHO_ON : PAM_PROMPT_ECHO_OFF, &answer, "%s", clean);
	if (r == PAM_SUCCESS && answer)
		jit_text_clean_str(buf, size, answer);
	else
		r = PAM_CONV_ERR;
	if (answer)
		explicit_bzero(answer, strlen(answer));
	free(answer);
	return r == PAM_SUCCESS ? 0 : -EIO;
}

/* In the background a line drawn would land in the middle of somebody else's, or stop the process (tostop). */
static bool is_foreground(int tty)
{
	return tcgetpgrp(tty) == getpgrp();
}

static bool can_draw(struct pj_talk *talk)
{
	if (!talk->may_draw)
		return false;
	if (talk->tty < 0)
		talk->tty = open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	return talk->tty >= 0 && is_foreground(talk->tty);
}

static unsigned columns(int tty)
{
	struct winsize size;

	if (ioctl(tty, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col;
}

/*
 * Bytes of the longest beginning of `s` that fits. Without a locale the width of
 * a character is not known: what is not ASCII counts as two columns.
 */
static size_t fit(const char *s, unsigned room)
{
	size_t len = 0;

	while (s[len]) {
		unsigned char lead = (unsigned char)s[len];
		unsigned width = lead < 0x80 ? 1 : 2;
		size_t n = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

		if (width > room)
			break;
		room -= width;
		len += strnlen(s + len, n);
	}
	return len;
}

void pj_talk_countdown(char *buf, size_t size, const char *text, int64_t left_ms, unsigned columns_)
{
	char left[48];
	int64_t s = left_ms > 0 ? (left_ms + 999) / 1000 : 0;

	snprintf(left, sizeof(left), ", %lld:%02lld left", (long long)(s / 60), (long long)(s % 60));
	size_t tail = strlen(left);
	/* The last column stays free: a cursor beyond it would wrap, and \r would come back to the wrong line. */
	unsigned room = columns_ > tail + 1 ? columns_ - (unsigned)tail - 1 : 0;
	snprintf(buf, size, "%.*s%s", (int)fit(text, room), text, room ? left : "");
}

void pj_talk_wait(struct pj_talk *talk, const char *text, int64_t until)
{
	char clean[JIT_LINE_SIZE], line[JIT_LINE_SIZE + 48];

	jit_text_clean_str(clean, sizeof(clean), text);
	bool is_new = strcmp(clean, talk->waiting) != 0;
	talk->until = until;
	talk->not_before = 0;
	memcpy(talk->waiting, clean, sizeof(clean));
	if (!talk->live || can_draw(talk) || !is_new)
		return;
	pj_talk_countdown(line, sizeof(line), clean, until - jit_boottime_ms(), 2 * sizeof(line));
	pam_prompt(talk->pamh, PAM_TEXT_INFO, NULL, "%s", line);
}

int64_t pj_talk_tick(struct pj_talk *talk)
{
	char line[JIT_LINE_SIZE + 48], drawing[sizeof(line) + 8];
	int64_t now = jit_boottime_ms();

	if (!talk->waiting[0] || talk->tty < 0)
		return INT64_MAX;
	if (now < talk->not_before)
		return talk->not_before;
	if (is_foreground(talk->tty)) {
		pj_talk_countdown(line, sizeof(line), talk->waiting, talk->until - now, columns(talk->tty));
		snprintf(drawing, sizeof(drawing), "\r\033[K%s", line);
		draw(talk, drawing);
		talk->drawn = true;
	}
	/* The next whole second of what is left, so that no second is skipped or shown twice. */
	int64_t left = talk->until - now;
	return now + (left > 0 ? (left - 1) % TICK_MS + 1 : TICK_MS);
}
