/* See smtp.h. */
#include "smtp.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "curlloop.h"
#include "curlmem.h"
#include "fetch_fault.h"
#include "text.h"

#define TIMEOUT_MS 30000L /* of one mail */
#define CONNECT_MS 10000L

struct jb_smtp {
	struct jit_curlloop *loop;
	struct jb_smtp_call *calls;
	char *server, *ca;
	enum jb_smtp_scheme scheme;
};

struct jb_smtp_call {
	struct jb_smtp *smtp;
	struct jb_smtp_call *next, **link; /* in smtp->calls */
	CURL *easy;
	struct curl_slist *to;
	char *text;
	size_t len, sent;
	char error[CURL_ERROR_SIZE];
	jb_smtp_done done;
	void *arg;
};

static void urlp(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void curl_textp(char **text)
{
	curl_free(*text);
}

enum jb_smtp_scheme jb_smtp_scheme_of(const char *text, bool plain_loopback)
{
	static const char *const loopback[] = {"127.0.0.1", "[::1]", "localhost"};
	JIT_CLEANUP(urlp) CURLU *url = curl_url();
	JIT_CLEANUP(curl_textp) char *scheme = NULL;
	JIT_CLEANUP(curl_textp) char *host = NULL;
	JIT_CLEANUP(curl_textp) char *user = NULL;
	JIT_CLEANUP(curl_textp) char *path = NULL;

	if (!url || curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_USER, &user, 0) != CURLUE_NO_USER ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK || strcmp(path, "/") != 0)
		return JB_SMTP_BAD;
	if (strcmp(scheme, "smtps") == 0)
		return JB_SMTP_TLS;
	if (strcmp(scheme, "smtp") != 0)
		return JB_SMTP_BAD;
	for (size_t i = 0; plain_loopback && i < sizeof(loopback) / sizeof(loopback[0]); i++)
		if (strcmp(host, loopback[i]) == 0)
			return JB_SMTP_PLAIN;
	return JB_SMTP_STARTTLS;
}

static void call_free(struct jb_smtp_call *call)
{
	if (call->link) {
		*call->link = call->next;
		if (call->next)
			call->next->link = call->link;
	}
	if (call->easy) {
		jit_curlloop_remove(call->smtp->loop, call->easy);
		curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->to);
	free(call->text);
	free(call);
}

/*
 * Did the server speak of this one mail, or of us, of TLS, or of itself (421: it
 * shuts down)? A full mailbox or a grey list (4xx) is one receiver's: it waits, and
 * nobody else does.
 */
static bool is_of_this_mail(CURLcode code, long status)
{
	return status >= 400 && status < 600 && status != 421 && code != CURLE_LOGIN_DENIED &&
	       code != CURLE_USE_SSL_FAILED && code != CURLE_PEER_FAILED_VERIFICATION &&
	       code != CURLE_SSL_CONNECT_ERROR;
}

/* In the server's words where libcurl keeps them: it does not of what comes after the text. */
static void explain(struct jb_smtp_call *call, CURLcode code, long status, char *why, size_t size)
{
	const enum jit_fetch_fault fault = jit_fetch_fault_of(code);

	if (code == CURLE_LOGIN_DENIED)
		snprintf(why, size, "the mail server does not take our user and password (look at mail_credentials)");
	else if (fault != JIT_FETCH_BROKEN)
		snprintf(why, size, "%s", jit_fetch_why(fault, code, call->easy, call->error));
	else if (*call->error)
		snprintf(why, size, "%s", call->error);
	else if (status >= 400)
		snprintf(why, size, "the mail server answered %ld", status);
	else
		snprintf(why, size, "the connection to the mail server broke off");
}

static void read_result(struct jb_smtp_call *call, CURLcode code, struct jb_smtp_result *ret)
{
	long status = 0;
	char why[512];

	*ret = (struct jb_smtp_result){.ok = code == CURLE_OK};
	if (ret->ok)
		return;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	ret->refused = is_of_this_mail(code, status);
	explain(call, code, status, why, sizeof(why));
	size_t len = strlen(why);
	if (len > 0 && why[len - 1] == '.')
		why[len - 1] = '\0';
	jit_text_clean_str(ret->why, sizeof(ret->why), why);
}

static void on_done(CURL *easy, CURLcode code)
{
	struct jb_smtp_call *call = NULL;
	struct jb_smtp_result result;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
	read_result(call, code, &result);
	jb_smtp_done done = call->done;
	void *arg = call->arg;
	call_free(call);
	done(arg, &result);
}

static size_t on_read(char *buf, size_t size, size_t count, void *arg)
{
	struct jb_smtp_call *call = arg;
	size_t n = size * count, left = call->len - call->sent;

	if (n > left)
		n = left;
	memcpy(buf, call->text + call->sent, n);
	call->sent += n;
	return n;
}

/* The line at the front into the buffer. What comes behind it; NULL: there is none, or it does not fit. */
static const char *take_line(const char *text, char buf[static JB_SMTP_WORD])
{
	const size_t len = strcspn(text, "\r\n");

	if (len == 0 || len >= JB_SMTP_WORD)
		return NULL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return text + len + strspn(text + len, "\r\n");
}

bool jb_smtp_login_parse(const char *text, struct jb_smtp_login *ret, char *why, size_t why_size)
{
	*ret = (struct jb_smtp_login){0};
	text = take_line(text, ret->user);
	if (text && take_line(text, ret->password))
		return true;
	snprintf(why, why_size, "there are no two lines, the user and the password of the mail server");
	return false;
}

static CURLcode set_transport(struct jb_smtp_call *call)
{
	const struct jb_smtp *smtp = call->smtp;
	CURL *e = call->easy;
	const long tls = smtp->scheme == JB_SMTP_PLAIN ? CURLUSESSL_NONE : CURLUSESSL_ALL;
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, smtp->scheme == JB_SMTP_TLS ? "smtps" : "smtp");
	bad |= curl_easy_setopt(e, CURLOPT_URL, smtp->server);
	bad |= curl_easy_setopt(e, CURLOPT_USE_SSL, tls);
	bad |= curl_easy_setopt(e, CURLOPT_PROXY, "");
	bad |= curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (smtp->ca) {
		bad |= curl_easy_setopt(e, CURLOPT_CAINFO, smtp->ca);
		bad |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
	bad |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT,
				1L); /* a silent name server must not hold up the loop (fetch.c) */
#endif
	bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	bad |= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	bad |= curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, TIMEOUT_MS / 1000);
	bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
	bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, call);
	return bad;
}

static CURLcode set_mail(struct jb_smtp_call *call, const struct jb_smtp_mail *mail)
{
	CURL *e = call->easy;
	CURLcode bad = CURLE_OK;

	if (mail->login)
		bad |= jit_curlmem_login(e, mail->login->user, mail->login->password);
	bad |= curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
	bad |= curl_easy_setopt(e, CURLOPT_MAIL_FROM, mail->from);
	bad |= curl_easy_setopt(e, CURLOPT_MAIL_RCPT, call->to);
	bad |= curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	bad |= curl_easy_setopt(e, CURLOPT_READDATA, call);
	return bad;
}

static struct jb_smtp_call *call_new(struct jb_smtp *smtp, const struct jb_smtp_mail *mail)
{
	struct jb_smtp_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->smtp = smtp;
	call->easy = curl_easy_init();
	call->to = curl_slist_append(NULL, mail->to);
	call->text = malloc(mail->len ? mail->len : 1);
	call->len = mail->len;
	if (call->easy && call->to && call->text) {
		memcpy(call->text, mail->text, mail->len);
		return call;
	}
	call_free(call);
	return NULL;
}

struct jb_smtp_call *jb_smtp_send(struct jb_smtp *smtp, const struct jb_smtp_mail *mail, jb_smtp_done done, void *arg,
				  struct jb_smtp_result *ret)
{
	struct jb_smtp_call *call = call_new(smtp, mail);

	*ret = (struct jb_smtp_result){.why = "the broker is out of memory"};
	if (!call)
		return NULL;
	if (set_transport(call) != CURLE_OK || set_mail(call, mail) != CURLE_OK ||
	    jit_curlloop_add(smtp->loop, call->easy) < 0) {
		call_free(call);
		return NULL;
	}
	call->done = done;
	call->arg = arg;
	call->next = smtp->calls;
	call->link = &smtp->calls;
	if (call->next)
		call->next->link = &call->next;
	smtp->calls = call;
	return call;
}

void jb_smtp_cancel(struct jb_smtp_call *call)
{
	if (call)
		call_free(call);
}

struct jb_smtp *jb_smtp_new(struct event_base *base, const struct jb_smtp_options *options)
{
	struct jb_smtp *smtp = calloc(1, sizeof(*smtp));

	if (!smtp)
		return NULL;
	smtp->scheme = jb_smtp_scheme_of(options->server, options->plain_loopback);
	smtp->server = strdup(options->server);
	smtp->ca = options->ca ? strdup(options->ca) : NULL;
	smtp->loop = jit_curlloop_new(base, on_done);
	if (smtp->scheme == JB_SMTP_BAD || !smtp->server || !smtp->loop || (options->ca && !smtp->ca)) {
		jb_smtp_free(smtp);
		return NULL;
	}
	return smtp;
}

void jb_smtp_free(struct jb_smtp *smtp)
{
	if (!smtp)
		return;
	while (smtp->calls)
		call_free(smtp->calls);
	jit_curlloop_free(smtp->loop);
	free(smtp->server);
	free(smtp->ca);
	free(smtp);
}
