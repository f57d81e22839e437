/* See mail.h. */
#include "mail.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "draft.h"
#include "text.h"

#define ADDRESS_MAX  254 /* bytes (RFC 5321) */
#define WORD_BYTES   42	 /* of an encoded-word's text: 56 in base64, 68 with its frame */
#define QP_COLUMNS   75	 /* and the "=" that breaks a line */
#define ADDRESS_SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_{|}~-"
#define DOMAIN_SAFE  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

bool jb_mail_is_address(const char *text)
{
	const size_t len = strlen(text), local = strspn(text, ADDRESS_SAFE);
	const char *domain = text + local + 1;

	return len <= ADDRESS_MAX && local > 0 && local <= 64 && text[0] != '-' && text[local] == '@' && *domain &&
	       *domain != '-' && *domain != '.' && !domain[strspn(domain, DOMAIN_SAFE)];
}

static const char *domain_of(const char *address)
{
	return strchr(address, '@') + 1;
}

/* At most `max` bytes of UTF-8 that end with a character. */
static size_t whole_characters(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static bool is_plain(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return false;
	return !strstr(text, "=?");
}

/* RFC 2047: as it is where it is ASCII, else encoded-words on folded lines. Text without control characters. */
static void write_subject(struct jit_draft *out, const char *text)
{
	jit_draft_text(out, "Subject: ");
	if (is_plain(text)) {
		jit_draft_printf(out, "%s\r\n", text);
		return;
	}
	for (size_t left = strlen(text); left > 0;) {
		const size_t n = whole_characters(text, left, WORD_BYTES);
		unsigned char coded[WORD_BYTES * 2];

		EVP_EncodeBlock(coded, (const unsigned char *)text, (int)n);
		text += n;
		left -= n;
		jit_draft_printf(out, "=?UTF-8?B?%s?=\r\n%s", coded, left ? " " : "");
	}
}

/* Not strftime: its names of days are the locale's. */
static void write_date(struct jit_draft *out, int64_t date)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	const time_t at = date;
	struct tm tm;

	if (gmtime_r(&at, &tm))
		jit_draft_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
				 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* RFC 2045: quoted-printable of one line, and its end. */
static void write_line(struct jit_draft *out, const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;
		const bool plain = c >= 0x20 && c <= 0x7e && c != '=' && !(c == ' ' && !text[1]);
		const size_t wide = plain ? 1 : 3;

		if (column + wide > QP_COLUMNS) {
			jit_draft_text(out, "=\r\n");
			column = 0;
		}
		if (plain)
			jit_draft_char(out, (char)c);
		else
			jit_draft_printf(out, "=%02X", c);
		column += wide;
	}
	jit_draft_text(out, "\r\n");
}

static void write_body(struct jit_draft *out, const struct jb_mail *mail)
{
	const struct jb_message *m = mail->message;
	char line[JB_MESSAGE_TEXT + 32];

	write_line(out, m->headline);
	write_line(out, "");
	for (size_t i = 0; i < m->count; i++) {
		snprintf(line, sizeof(line), "%-11s %s", m->line[i].label, m->line[i].text);
		write_line(out, line);
	}
	if (*m->advice) {
		write_line(out, "");
		write_line(out, m->advice);
	}
	if (m->waits) {
		snprintf(line, sizeof(line), "jit-broker approve %s%s", m->id, m->wants_code ? " --code NN" : "");
		write_line(out, line);
	}
	if (*mail->link)
		write_line(out, mail->link);
}

char *jb_mail_format(const struct jb_mail *mail, size_t *ret_len)
{
	const char *domain = domain_of(mail->from);
	char subject[JB_MESSAGE_HEADLINE + 8];
	struct jit_draft out = {0};

	snprintf(subject, sizeof(subject), "[jit] %s", mail->message->headline);
	jit_draft_printf(&out, "From: <%s>\r\nTo: <%s>\r\n", mail->from, mail->to);
	write_subject(&out, subject);
	write_date(&out, mail->date);
	jit_draft_printf(&out, "Message-ID: <%s@%s>\r\n", mail->id, domain);
	if (mail->reply_to)
		jit_draft_printf(&out, "In-Reply-To: <%s@%s>\r\nReferences: <%s@%s>\r\n", mail->reply_to, domain,
				 mail->reply_to, domain);
	jit_draft_text(
		&out,
		"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	write_body(&out, mail);
	return jit_draft_done(&out, ret_len);
}
