/* See courier.h. */
#include "courier.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "fetch.h"
#include "json.h"
#include "json_read.h"
#include "keeper.h"
#include "mail.h"
#include "sign.h"
#include "smtp.h"
#include "states.h"
#include "text.h"
#include "webhook.h"
#include "workflow.h"

#define TIMEOUT_MS  10000 /* of one call of a webhook */
#define ANSWER_MAX  65536 /* bytes of its answer, which nobody reads */
#define LINK_GOOD_S 86400 /* how long the link of a message is good, from sending */

struct jb_courier {
	struct event_base *base;
	const struct jb_conf *conf;
	const struct jb_webhook *webhook; /* NULL: mail, or the workflow */
	struct jb_keeper *keeper;	  /* of the secret that messages want; NULL: they want none */
	struct jit_fetch *fetch;
	struct jb_smtp *smtp;
	struct jb_states *states;
	struct jb_sending *sendings;
};

struct jb_sending {
	struct jb_sending *next, **link; /* in courier->sendings */
	struct jb_courier *courier;
	const struct jb_notice *notice;
	int64_t now;
	struct jb_keeper_call *secret;
	struct jit_fetch_call *fetch;
	struct jb_smtp_call *smtp;
	struct jb_states_call *states;
	jb_brought_fn done;
	void *arg;
};

static void sending_free(struct jb_sending *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	jb_keeper_cancel(s->secret);
	jit_fetch_cancel(s->fetch);
	jb_smtp_cancel(s->smtp);
	jb_states_cancel(s->states);
	free(s);
}

static void finish(struct jb_sending *s, const struct jb_brought_result *result)
{
	jb_brought_fn done = s->done;
	void *arg = s->arg;

	sending_free(s);
	done(arg, result);
}

/* Webhooks */

/* Of the 4xx those that speak of this message; a wrong address or secret is the same for all. */
static enum jb_brought judge(long status)
{
	if (status >= 200 && status < 300)
		return JB_BROUGHT;
	return status == 400 || status == 413 || status == 415 || status == 422 ? JB_BROUGHT_REFUSED
										: JB_BROUGHT_TROUBLE;
}

static void on_answer(void *arg, const struct jit_fetch_result *answer)
{
	struct jb_sending *s = arg;
	struct jb_brought_result result = {.how = JB_BROUGHT_TROUBLE, .retry_after = answer->retry_after};

	s->fetch = NULL; /* freed by the fetcher after this */
	if (answer->fault == JIT_FETCH_OK) {
		result.how = judge(answer->status);
		snprintf(result.why, sizeof(result.why), "HTTP status %ld%s", answer->status,
			 answer->status >= 300 && answer->status < 400 ? " (redirects are not followed)" : "");
	} else {
		jit_text_clean_str(result.why, sizeof(result.why), answer->why);
	}
	finish(s, &result);
}

static const char *short_id_of(json_object *doc)
{
	json_object *data, *id;

	return json_object_object_get_ex(doc, "data", &data) && json_object_object_get_ex(data, "shortId", &id)
		       ? json_object_get_string(id)
		       : NULL;
}

/* The link of that document's request; "" where there is none. */
static int make_link(const struct jb_conf *conf, json_object *doc, const struct jb_sign_keys *keys, const char *via,
		     int64_t now, char link[static JB_LINK_MAX])
{
	const char *id = short_id_of(doc);

	link[0] = '\0';
	return conf->url && id ? jb_link(conf->url, id, keys, via, now + LINK_GOOD_S, link) : 0;
}

static void post(struct jb_sending *s, const struct jb_courier *courier, const char *id, const char *signature,
		 int64_t now, const char *body)
{
	char id_line[64], time_line[64], signature_line[JB_SIGNATURES_MAX + 32];
	const char *const headers[] = {"Content-Type: application/json", id_line, time_line, signature_line, NULL};
	const struct jit_fetch_request request = {
		.method = "POST",
		.url = courier->webhook->url,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.timeout_ms = TIMEOUT_MS,
		.max_body = ANSWER_MAX,
	};

	snprintf(id_line, sizeof(id_line), "webhook-id: %s", id);
	snprintf(time_line, sizeof(time_line), "webhook-timestamp: %lld", (long long)now);
	snprintf(signature_line, sizeof(signature_line), "webhook-signature: %s", signature);
	s->fetch = jit_fetch_start(courier->fetch, &request, on_answer, s);
}

/* "FILE: what is wrong with it". False with that sentence in why. */
static bool read_sign_keys(const struct jb_courier *courier, struct jb_sign_keys *ret, char *why, size_t why_size)
{
	const char *text = jb_keeper_text(courier->keeper, jit_boottime_ms(), why, why_size);
	char reason[256];

	*ret = (struct jb_sign_keys){0};
	if (!text || jb_sign_keys_parse(text, ret, reason, sizeof(reason)))
		return text != NULL;
	snprintf(why, why_size, "%s: %s", jb_keeper_name(courier->keeper), reason);
	return false;
}

/* False with the reason in ret->why. */
static bool send_webhook(struct jb_sending *s, const struct jb_courier *courier, const struct jb_notice *notice,
			 json_object *doc, int64_t now, struct jb_brought_result *ret)
{
	const struct jb_webhook *webhook = courier->webhook;
	char link[JB_LINK_MAX], signature[JB_SIGNATURES_MAX];
	JIT_FREE char *body = NULL;
	struct jb_sign_keys keys;

	if (read_sign_keys(courier, &keys, ret->why, sizeof(ret->why))) {
		snprintf(ret->why, sizeof(ret->why), "the broker could not write or sign the message");
		if (make_link(courier->conf, doc, &keys, webhook->name, now, link) == 0 &&
		    (body = jb_webhook_body(webhook->format, doc, link)) &&
		    jb_sign(&keys, notice->id, now, body, strlen(body), signature) == 0)
			post(s, courier, notice->id, signature, now, body);
	}
	OPENSSL_cleanse(&keys, sizeof(keys));
	return s->fetch != NULL;
}

/* Mail */

static void on_mailed(void *arg, const struct jb_smtp_result *mailed)
{
	struct jb_sending *s = arg;
	struct jb_brought_result result = {.how = mailed->ok	    ? JB_BROUGHT
						  : mailed->refused ? JB_BROUGHT_REFUSED
								    : JB_BROUGHT_TROUBLE};

	s->smtp = NULL;
	snprintf(result.why, sizeof(result.why), "%s", mailed->ok ? "the mail server took it" : mailed->why);
	finish(s, &result);
}

/* The address that this receiver has today; NULL: none any more. */
static const char *address_of(const struct jb_conf *conf, const char *receiver)
{
	const char *name = strchr(receiver, ':') + 1, *colon = strchr(name, ':');

	if (strncmp(receiver, "list:", 5) != 0) {
		const struct jb_person *person = jb_conf_person(conf, name);
		return person ? person->mail : NULL;
	}
	for (size_t i = 0; colon && i < conf->mail_list_count; i++) {
		const struct jb_mail_list *list = &conf->mail_lists[i];

		if (strncmp(list->name, name, (size_t)(colon - name)) == 0 && !list->name[colon - name] &&
		    jb_words_have(&list->to, colon + 1))
			return colon + 1;
	}
	return NULL;
}

/* As read_sign_keys. */
static bool read_login(const struct jb_courier *courier, struct jb_smtp_login *ret, char *why, size_t why_size)
{
	const char *text = jb_keeper_text(courier->keeper, jit_boottime_ms(), why, why_size);
	char reason[256];

	*ret = (struct jb_smtp_login){0};
	if (!text || jb_smtp_login_parse(text, ret, reason, sizeof(reason)))
		return text != NULL;
	snprintf(why, why_size, "%s: %s", jb_keeper_name(courier->keeper), reason);
	return false;
}

/* Signs in, where that is asked for, and hands over the mail. False with the reason in ret->why. */
static bool hand_over(struct jb_sending *s, const struct jb_courier *courier, const struct jb_mail *mail,
		      struct jb_brought_result *ret)
{
	struct jb_smtp_result failed = {.why = "the broker is out of memory"};
	struct jb_smtp_login login = {0};
	struct jb_smtp_mail sent = {.from = mail->from, .to = mail->to, .login = courier->keeper ? &login : NULL};
	JIT_FREE char *text = jb_mail_format(mail, &sent.len);

	sent.text = text;
	if (text && (!courier->keeper || read_login(courier, &login, failed.why, sizeof(failed.why))))
		s->smtp = jb_smtp_send(courier->smtp, &sent, on_mailed, s, &failed);
	OPENSSL_cleanse(&login, sizeof(login));
	snprintf(ret->why, sizeof(ret->why), "%s", failed.why);
	return s->smtp != NULL;
}

static bool send_mail(struct jb_sending *s, const struct jb_courier *courier, const struct jb_notice *notice,
		      json_object *doc, int64_t now, struct jb_brought_result *ret)
{
	const char *to = address_of(courier->conf, notice->receiver);
	char link[JB_LINK_MAX], first[JB_NOTICE_ID_SIZE];
	struct jb_message message;

	if (!to) {
		ret->how = JB_BROUGHT_REFUSED;
		snprintf(ret->why, sizeof(ret->why), "the configuration has no address for it any more");
		return false;
	}
	if (!jb_message_read(doc, notice->receiver, &message) ||
	    make_link(courier->conf, doc, NULL, NULL, now, link) < 0 ||
	    jb_notice_id(notice->about, notice->receiver, "request.filed", first) < 0) {
		snprintf(ret->why, sizeof(ret->why), "the broker could not write the mail");
		return false;
	}
	const bool follows = strncmp(notice->event, "request.", 8) == 0 && strcmp(first, notice->id) != 0;
	const struct jb_mail mail = {.from = courier->conf->mail_from,
				     .to = to,
				     .id = notice->id,
				     .reply_to = follows ? first : NULL,
				     .date = notice->at,
				     .link = link,
				     .message = &message};
	return hand_over(s, courier, &mail, ret);
}

/* The workflow */

static void on_states(void *arg, const struct jb_brought_result *result)
{
	struct jb_sending *s = arg;

	s->states = NULL;
	finish(s, result);
}

static bool set_off(struct jb_sending *s, struct jb_brought_result *ret)
{
	struct jb_courier *courier = s->courier;
	JIT_JSON json_object *doc = jit_json_of(s->notice->doc);

	*ret = (struct jb_brought_result){.how = JB_BROUGHT_TROUBLE, .why = "the broker is out of memory"};
	if (!doc)
		return false;
	if (courier->webhook)
		return send_webhook(s, courier, s->notice, doc, s->now, ret);
	if (courier->smtp)
		return send_mail(s, courier, s->notice, doc, s->now, ret);
	s->states = jb_states_send(courier->states, s->notice, on_states, s, ret->why, sizeof(ret->why));
	return s->states != NULL;
}

static void on_secret(void *arg)
{
	struct jb_sending *s = arg;
	struct jb_brought_result result;

	s->secret = NULL;
	if (!set_off(s, &result))
		finish(s, &result);
}

struct jb_sending *jb_courier_send(struct jb_courier *courier, const struct jb_notice *notice, int64_t now,
				   jb_brought_fn done, void *arg, struct jb_brought_result *ret)
{
	struct jb_sending *s = calloc(1, sizeof(*s));

	*ret = (struct jb_brought_result){.how = JB_BROUGHT_TROUBLE, .why = "the broker is out of memory"};
	if (!s)
		return NULL;
	*s = (struct jb_sending){.courier = courier, .notice = notice, .now = now, .done = done, .arg = arg};
	s->next = courier->sendings;
	s->link = &courier->sendings;
	if (s->next)
		s->next->link = &s->next;
	courier->sendings = s;
	if (courier->keeper && jb_keeper_is_due(courier->keeper, jit_boottime_ms()))
		s->secret = jb_keeper_fetch(courier->keeper, on_secret, s);
	if (s->secret || set_off(s, ret))
		return s;
	sending_free(s);
	return NULL;
}

static struct jit_fetch *webhook_client(struct event_base *base, const struct jb_webhook *webhook)
{
	const struct jit_fetch_options options = {
		.ca_file = webhook->ca,
		.plain_loopback = webhook->plain_loopback,
		.user_agent = "jit-broker/" JIT_VERSION,
	};

	return jit_fetch_new(base, &options);
}

static struct jb_smtp *mail_client(struct event_base *base, const struct jb_conf *conf)
{
	const struct jb_smtp_options options = {
		.server = conf->mail_server,
		.ca = conf->mail_ca,
		.plain_loopback = conf->mail_plain_loopback,
	};

	return jb_smtp_new(base, &options);
}

struct jb_courier *jb_courier_new(struct event_base *base, const struct jb_conf *conf, const char *channel, char *why,
				  size_t why_size)
{
	const bool mail = strcmp(channel, JB_CHANNEL_MAIL) == 0, workflow = strcmp(channel, JB_CHANNEL_WORKFLOW) == 0;
	const char *colon = strchr(channel, ':');
	const struct jb_webhook *webhook = colon ? jb_conf_webhook(conf, colon + 1) : NULL;

	if (mail ? !conf->mail_server : workflow ? !conf->workflow : !webhook) {
		snprintf(why, why_size, "%s is not in the configuration", channel);
		return NULL;
	}
	struct jb_courier *courier = calloc(1, sizeof(*courier));
	snprintf(why, why_size, "out of memory");
	if (!courier)
		return NULL;
	courier->base = base;
	courier->conf = conf;
	courier->webhook = webhook;
	const char *secret = webhook ? webhook->secret : mail ? conf->mail_credentials : NULL;
	if (mail)
		courier->smtp = mail_client(base, conf);
	else if (workflow)
		courier->states = jb_states_new(base, conf, why, why_size);
	else
		courier->fetch = webhook_client(base, webhook);
	if (secret)
		courier->keeper = jb_keeper_new(base, conf, secret, why, why_size);
	if ((secret && !courier->keeper) || (!courier->smtp && !courier->fetch && !courier->states)) {
		jb_courier_free(courier);
		return NULL;
	}
	return courier;
}

void jb_courier_free(struct jb_courier *courier)
{
	if (!courier)
		return;
	while (courier->sendings)
		sending_free(courier->sendings);
	jit_fetch_free(courier->fetch);
	jb_smtp_free(courier->smtp);
	jb_states_free(courier->states);
	jb_keeper_free(courier->keeper);
	free(courier);
}

/* Is what the keeper has what messages want? False with a sentence in why. */
static bool is_usable(const struct jb_courier *courier, char *why, size_t why_size)
{
	struct jb_sign_keys keys = {0};
	struct jb_smtp_login login = {0};
	const bool ok = courier->webhook ? read_sign_keys(courier, &keys, why, why_size)
					 : read_login(courier, &login, why, why_size);

	OPENSSL_cleanse(&keys, sizeof(keys));
	OPENSSL_cleanse(&login, sizeof(login));
	return ok;
}

static void on_tried(void *arg)
{
	*(bool *)arg = true;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static void wait_for(struct event_base *base, const bool *done, int64_t until_ms)
{
	const int64_t left_ms = until_ms - jit_boottime_ms();
	const struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
	bool is_late = left_ms <= 0;
	struct event *late = evtimer_new(base, on_late, &is_late);

	is_late |= !late || event_add(late, &tv) < 0;
	while (!*done && !is_late && event_base_loop(base, EVLOOP_ONCE) == 0)
		;
	if (late)
		event_free(late);
}

enum jb_brought jb_courier_try_secret(struct jb_courier *courier, int64_t until_ms, char *why, size_t why_size)
{
	struct jb_keeper *keeper = courier->keeper;
	bool done = false;

	if (!keeper)
		return JB_BROUGHT;
	struct jb_keeper_call *call =
		jb_keeper_is_due(keeper, jit_boottime_ms()) ? jb_keeper_fetch(keeper, on_tried, &done) : NULL;
	if (call)
		wait_for(courier->base, &done, until_ms);
	if (call && !done) {
		jb_keeper_cancel(call);
		snprintf(why, why_size, "the parameter %s cannot be read: no answer in time", jb_keeper_name(keeper));
		return JB_BROUGHT_TROUBLE;
	}
	if (is_usable(courier, why, why_size))
		return JB_BROUGHT;
	return jb_keeper_is_passing(keeper) ? JB_BROUGHT_TROUBLE : JB_BROUGHT_REFUSED;
}
