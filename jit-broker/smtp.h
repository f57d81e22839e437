/*
 * Mail on its way to the server: SMTP by libcurl on the loop, one recipient a
 * mail. STARTTLS or smtps, certificate and name verified, TLS 1.2 at least; in
 * clear to loopback alone, and only where the configuration says so.
 */
#ifndef JB_SMTP_H
#define JB_SMTP_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct jb_smtp;
struct jb_smtp_call;

enum jb_smtp_scheme { JB_SMTP_BAD, JB_SMTP_STARTTLS, JB_SMTP_TLS, JB_SMTP_PLAIN };
/* What "smtp://mail.example:587" means; with plain_loopback smtp:// to loopback is in clear. BAD: it is no such URL. */
enum jb_smtp_scheme jb_smtp_scheme_of(const char *url, bool plain_loopback);

struct jb_smtp_options {
	const char *server; /* URL */
	const char *ca;	    /* PEM; NULL: the system's */
	bool plain_loopback;
};
/* NULL: out of memory. */
struct jb_smtp *jb_smtp_new(struct event_base *base, const struct jb_smtp_options *options);
/* Drops what is under way without a word. NULL is fine. */
void jb_smtp_free(struct jb_smtp *smtp);

struct jb_smtp_result {
	bool ok;
	bool refused; /* this mail, or its recipient: another mail may go through */
	char why[256];
};
typedef void (*jb_smtp_done)(void *arg, const struct jb_smtp_result *result);

#define JB_SMTP_WORD 256
/* Who signs in at the server. */
struct jb_smtp_login {
	char user[JB_SMTP_WORD], password[JB_SMTP_WORD];
};
/* Two lines. False with a sentence in why; the caller wipes *ret. */
bool jb_smtp_login_parse(const char *text, struct jb_smtp_login *ret, char *why, size_t why_size);

struct jb_smtp_mail {
	const char *from, *to; /* addresses */
	const char *text;
	size_t len;
	const struct jb_smtp_login *login; /* NULL: none */
};
/* All of the mail is copied. `done` comes once, from the loop; NULL with *ret filled: it will not come. */
struct jb_smtp_call *jb_smtp_send(struct jb_smtp *smtp, const struct jb_smtp_mail *mail, jb_smtp_done done, void *arg,
				  struct jb_smtp_result *ret);
/* One that has not called back. NULL is fine. */
void jb_smtp_cancel(struct jb_smtp_call *call);

#endif
