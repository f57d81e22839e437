/* See probe.h. */
#include "probe.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker.h"
#include "certificate.h"
#include "clock.h"
#include "conf.h"
#include "exit.h"
#include "harden.h"
#include "json.h"
#include "proto.h"
#include "text.h"

#define ANSWER_MAX 262144 /* bytes of the host's open requests */

/* A broker that is being asked. */
struct asked {
	struct jh_conf conf; /* the helper's, with this broker alone; shares its texts */
	struct jh_broker *broker;
	struct json_object *told; /* in the document */
	struct event_base *base;
	unsigned *waiting;
};

static void put_text(struct json_object *object, const char *name, const char *text)
{
	char clean[JIT_LINE_SIZE];

	jit_text_clean_str(clean, sizeof(clean), text);
	json_object_object_add(object, name, json_object_new_string(clean));
}

static struct json_object *put_object(struct json_object *object, const char *name)
{
	struct json_object *inner = json_object_new_object();

	json_object_object_add(object, name, inner);
	return inner;
}

static struct json_object *put_array(struct json_object *object, const char *name)
{
	struct json_object *inner = json_object_new_array();

	json_object_object_add(object, name, inner);
	return inner;
}

static void on_conf_error(void *arg, const char *message)
{
	json_object_array_add(arg, json_object_new_string(message));
}

static void describe_conf(struct json_object *document, const struct jh_conf *conf)
{
	static const char *const unattended[] = {"no", "deny", "existing"}, *const auths[] = {"key", "iam", "both"};
	struct json_object *services = put_array(document, "services");
	const struct jh_service *service;

	put_text(document, "user", conf->user);
	put_text(document, "brokerAuth", auths[conf->auth]);
	put_text(document, "brokerType", conf->demo ? "seed-demo" : "jit");
	put_text(document, "pamSocket", conf->pam_socket);
	put_text(document, "sessionSocket", conf->session_socket);
	put_text(document, "breakGlassGroup", conf->break_glass_group);
	put_text(document, "withoutKeyring", conf->keyless ? "descent" : "refuse");
	json_object_object_add(document, "timeout", json_object_new_int64(conf->timeout_s));
	json_object_object_add(document, "brokerTimeout", json_object_new_int64(conf->broker_timeout_s));
	for (service = LIST_FIRST(&conf->services); service; service = LIST_NEXT(service, link)) {
		struct json_object *told = json_object_new_object();

		put_text(told, "name", service->name);
		put_text(told, "role", service->role);
		put_text(told, "nonInteractive", unattended[service->unattended]);
		json_object_object_add(told, "resume", json_object_new_boolean(service->resume));
		json_object_object_add(told, "silentWait", json_object_new_int64(service->silent_wait_s));
		json_object_object_add(told, "duration", json_object_new_int64(service->duration_s));
		json_object_array_add(services, told);
	}
}

/* As whoever started us: owner, group and mode of a file. */
static struct json_object *describe_file(struct json_object *document, const char *name, const char *path)
{
	struct json_object *told = put_object(document, name);
	char mode[16], number[24];
	struct stat st;

	put_text(told, "file", path);
	if (stat(path, &st) < 0) {
		put_text(told, "missing", strerror(errno));
		return told;
	}
	const struct passwd *user = getpwuid(st.st_uid);
	snprintf(number, sizeof(number), "%u", (unsigned)st.st_uid);
	put_text(told, "owner", user ? user->pw_name : number);
	const struct group *group = getgrgid(st.st_gid);
	snprintf(number, sizeof(number), "%u", (unsigned)st.st_gid);
	put_text(told, "group", group ? group->gr_name : number);
	snprintf(mode, sizeof(mode), "%04o", (unsigned)(st.st_mode & 07777));
	put_text(told, "mode", mode);
	return told;
}

/* As the helper's user. */
static void try_ca(struct json_object *told, const struct jh_conf *conf)
{
	char why[JIT_LINE_SIZE];
	const bool usable = jh_certificate_check_ca(conf, why, sizeof(why)) == 0;

	json_object_object_add(told, "usable", json_object_new_boolean(usable));
	if (!usable)
		put_text(told, "why", why);
}

static void on_answer(void *arg, const struct jit_fetch_result *result)
{
	static const char *const faults[] = {
		[JIT_FETCH_OK] = "",	       [JIT_FETCH_DNS] = "dns",		[JIT_FETCH_CONNECT] = "connect",
		[JIT_FETCH_TLS] = "tls",       [JIT_FETCH_TIMEOUT] = "timeout", [JIT_FETCH_TOO_LARGE] = "answer",
		[JIT_FETCH_BROKEN] = "answer", [JIT_FETCH_LOCAL] = "local",
	};
	struct asked *asked = arg;

	put_text(asked->told, "fault", faults[result->fault]);
	put_text(asked->told, "why", result->why);
	json_object_object_add(asked->told, "status", json_object_new_int64(result->status));
	if (result->date > 0)
		json_object_object_add(asked->told, "skewSeconds", json_object_new_int64(jit_wall_s() - result->date));
	if (--*asked->waiting == 0)
		event_base_loopbreak(asked->base);
}

/* An authenticated call that changes nothing. */
static void ask(struct asked *asked)
{
	/* The reference deployment has no such call: that it answers at all is what can be known. */
	const char *path = asked->conf.demo ? "/request-access" : "/requests";
	const struct jh_call call = {.method = "GET", .path = path, .max_body = ANSWER_MAX};
	char why[JIT_LINE_SIZE];

	asked->broker = jh_broker_new(asked->base, &asked->conf, why, sizeof(why));
	if (asked->broker && jh_broker_call(asked->broker, &call, on_answer, asked)) {
		++*asked->waiting;
		return;
	}
	put_text(asked->told, "fault", "local");
	put_text(asked->told, "why", asked->broker ? "out of memory" : why);
}

static void ask_all(struct json_object *document, const struct jh_conf *conf)
{
	struct json_object *brokers = put_array(document, "brokers");
	struct event_base *base = event_base_new();
	struct asked asked[JH_BROKERS_MAX] = {0};
	unsigned waiting = 0;

	for (size_t i = 0; base && i < conf->broker_count; i++) {
		asked[i] = (struct asked){.conf = *conf, .told = json_object_new_object(), .base = base};
		asked[i].waiting = &waiting;
		asked[i].conf.brokers[0] = conf->brokers[i];
		asked[i].conf.broker_count = 1;
		put_text(asked[i].told, "url", conf->brokers[i]);
		json_object_array_add(brokers, asked[i].told);
		ask(&asked[i]);
	}
	if (waiting)
		event_base_dispatch(base);
	for (size_t i = 0; i < conf->broker_count; i++)
		jh_broker_free(asked[i].broker);
	if (base)
		event_base_free(base);
}

/* The certificate likewise. */
static bool try_certificate(struct json_object *document, const struct jh_conf *conf)
{
	struct jh_certificate certificate;
	char why[JIT_LINE_SIZE];
	const bool good = jh_certificate_read(conf, &certificate, why, sizeof(why)) == 0;
	struct json_object *told = conf->tls_certificate ? put_object(document, "certificate") : NULL;

	if (!told)
		return good;
	put_text(told, "file", conf->tls_certificate);
	json_object_object_add(told, "usable", json_object_new_boolean(good));
	if (!good)
		put_text(told, "why", why);
	json_object_object_add(told, "goodFor",
			       json_object_new_int64(good ? certificate.good_until - jit_wall_s() : 0));
	jh_certificate_clear(&certificate);
	return good;
}

/* The key as the helper would read it: its rules, and for its user. */
static bool try_key(struct json_object *told, const struct jh_conf *whole)
{
	struct jh_conf conf = *whole;
	struct event_base *base = event_base_new();
	char why[JIT_LINE_SIZE] = "out of memory";
	conf.tls_certificate = conf.tls_key = NULL; /* its faults are not the key's */
	struct jh_broker *broker = base ? jh_broker_new(base, &conf, why, sizeof(why)) : NULL;
	bool good = broker != NULL;

	json_object_object_add(told, "usable", json_object_new_boolean(good));
	if (!good)
		put_text(told, "why", why);
	jh_broker_free(broker);
	if (base)
		event_base_free(base);
	return good;
}

static void look(struct json_object *document, const struct jh_conf *conf)
{
	/* With a signature alone nobody reads it. */
	struct json_object *key = conf->auth == JH_AUTH_IAM ? NULL : describe_file(document, "key", conf->api_key_file);
	struct json_object *ca = conf->ca_file ? describe_file(document, "ca", conf->ca_file) : NULL;
	char why[JIT_LINE_SIZE];

	describe_conf(document, conf);
	if (jh_harden_secrets(why, sizeof(why)) < 0 || jh_harden_drop(conf->user, why, sizeof(why)) < 0) {
		put_text(document, "fault", why);
		return;
	}
	if (ca)
		try_ca(ca, conf);
	const bool certificate = try_certificate(document, conf);
	if ((!key || try_key(key, conf)) && certificate)
		ask_all(document, conf);
}

int jh_probe(const char *config)
{
	JIT_JSON struct json_object *document = json_object_new_object();
	struct jh_conf *conf = NULL;

	if (!document)
		return JH_EXIT_FAILED;
	json_object_object_add(document, "version", json_object_new_int(1));
	put_text(document, "config", config);
	if (jh_conf_read(config, on_conf_error, put_array(document, "errors"), &conf) == 0)
		look(document, conf);
	jh_conf_free(conf);
	const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_NOSLASHESCAPE);
	return text && puts(text) >= 0 && fflush(stdout) == 0 ? JH_EXIT_OK : JH_EXIT_FAILED;
}
