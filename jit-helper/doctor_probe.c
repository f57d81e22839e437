/* See doctor_probe.h. */
#include "doctor_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_run.h"
#include "json.h"
#include "proto.h"
#include "text.h"

#define HELPER		 "/usr/sbin/jit-helper"
#define RUN_MS		 70000 /* broker_timeout is a minute at most */
#define SKEW_WARN	 30    /* seconds */
#define SKEW_ERROR	 300
#define CERTIFICATE_DAYS 14

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : "";
}

static int64_t number_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) ? json_object_get_int64(value) : 0;
}

static struct json_object *list_of(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_array) ? value
													      : NULL;
}

/* "FILE:LINE: sentence" */
static void judge_conf_error(struct jd_report *report, enum jd_severity severity, const char *text, const char *config)
{
	size_t len = strlen(config);
	unsigned line = 0;
	const char *what = text;

	if (strncmp(text, config, len) == 0 && text[len] == ':') {
		char *end;
		unsigned long number = strtoul(text + len + 1, &end, 10);

		if (*end == ':' && number < 1000000) {
			line = (unsigned)number;
			what = end + 1 + strspn(end + 1, " ");
		}
	}
	struct jd_finding *f = jd_find(report, severity, "helper.conf", NULL, config, line);
	jd_what(f, "jit-helper does not start: %s.", what);
	jd_fix(f, "Correct it; man jit-helper.conf lists every key. `jit-helper --check` says whether it is right.");
}

static bool judge_conf(struct jd_report *report, enum jd_severity severity, struct json_object *document)
{
	struct json_object *errors = list_of(document, "errors");
	size_t count = errors ? json_object_array_length(errors) : 0;

	for (size_t i = 0; i < count; i++)
		judge_conf_error(report, severity, json_object_get_string(json_object_array_get_idx(errors, i)),
				 text_of(document, "config"));
	if (count == 0 && text_of(document, "fault")[0]) {
		struct jd_finding *f = jd_find(report, severity, "helper.start", NULL, NULL, 0);
		jd_what(f, "jit-helper does not start: %s.", text_of(document, "fault"));
		jd_fix(f, "Run: systemd-sysusers && systemctl restart jit-helper");
	}
	return count == 0;
}

static void judge_key(struct jd_report *report, enum jd_severity severity, struct json_object *document)
{
	struct json_object *key, *usable;
	struct jd_finding *f;

	if (!json_object_object_get_ex(document, "key", &key))
		return;
	const char *file = text_of(key, "file");
	if (json_object_object_get_ex(key, "usable", &usable) && !json_object_get_boolean(usable)) {
		f = jd_find(report, severity, "helper.key", NULL, file, 0);
		jd_what(f, "The helper cannot use its API key, and everybody is refused: %s.", text_of(key, "why"));
		jd_fix(f,
		       "One line, made by `jit-broker key add HOST` at the broker; then: chown root:%s %s && chmod "
		       "0640 %s",
		       text_of(document, "user"), file, file);
	} else if (strcmp(text_of(key, "owner"), "root") != 0) {
		f = jd_find(report, JD_WARNING, "helper.key_owner", NULL, file, 0);
		jd_what(f, "The API key belongs to %s.", text_of(key, "owner"));
		jd_fix(f, "chown root:%s %s && chmod 0640 %s", text_of(document, "user"), file, file);
	}
}

/* What the helper shows to a broker that binds the key to it. */
static void judge_certificate(struct jd_report *report, enum jd_severity severity, struct json_object *document)
{
	struct json_object *certificate, *usable;

	if (!json_object_object_get_ex(document, "certificate", &certificate) ||
	    !json_object_object_get_ex(certificate, "usable", &usable))
		return;
	const char *file = text_of(certificate, "file");
	const int64_t days = number_of(certificate, "goodFor") / 86400;
	if (!json_object_get_boolean(usable)) {
		struct jd_finding *f = jd_find(report, severity, "helper.certificate", NULL, file, 0);
		jd_what(f, "The helper cannot use its client certificate, and everybody is refused: %s.",
			text_of(certificate, "why"));
		jd_fix(f, "PEM files that belong together; then: chown root:%s and chmod 0640 for tls_key",
		       text_of(document, "user"));
	} else if (number_of(certificate, "goodFor") <= 0) {
		struct jd_finding *f = jd_find(report, severity, "helper.certificate_end", NULL, file, 0);
		jd_what(f, "The client certificate is over, and a broker that asks for one lets nobody in.");
		jd_fix(f, "Renew it, then: systemctl restart jit-helper");
	} else if (days < CERTIFICATE_DAYS) {
		struct jd_finding *f = jd_find(report, JD_WARNING, "helper.certificate_end", NULL, file, 0);
		jd_what(f, "The client certificate ends within %lld days.", (long long)days + 1);
		jd_fix(f, "Renew it, then: systemctl restart jit-helper");
	}
}

/* False, and told: then what the brokers say adds nothing. */
static bool judge_ca(struct jd_report *report, enum jd_severity severity, struct json_object *document)
{
	struct json_object *ca, *usable;

	if (!json_object_object_get_ex(document, "ca", &ca) || !json_object_object_get_ex(ca, "usable", &usable) ||
	    json_object_get_boolean(usable))
		return true;
	const char *file = text_of(ca, "file");
	struct jd_finding *f = jd_find(report, severity, "helper.ca", NULL, file, 0);
	jd_what(f, "The helper cannot use the broker's CA, and everybody is refused: %s.", text_of(ca, "why"));
	jd_fix(f, "Put the PEM file of the CA that signed the broker's certificate there: chmod 0644 %s", file);
	return false;
}

static void judge_skew(struct jd_report *report, struct json_object *broker)
{
	int64_t skew = number_of(broker, "skewSeconds"), by = skew < 0 ? -skew : skew;

	if (by <= SKEW_WARN)
		return;
	struct jd_finding *f = jd_find(report, by > SKEW_ERROR ? JD_ERROR : JD_WARNING, "broker.clock", NULL, NULL, 0);
	jd_what(f,
		"This host's clock is %lld s %s that of %s: logs do not fit together, and AWS refuses what is signed "
		"more than 5 minutes off.",
		(long long)by, skew < 0 ? "behind" : "before", text_of(broker, "url"));
	jd_fix(f, "Set both clocks by NTP: timedatectl set-ntp true");
}

static void judge_fault(struct jd_report *report, enum jd_severity severity, struct json_object *broker,
			const char *ca_file)
{
	const char *fault = text_of(broker, "fault"), *why = text_of(broker, "why"), *url = text_of(broker, "url");
	bool tls = strcmp(fault, "tls") == 0;
	struct jd_finding *f = jd_find(report, severity, tls ? "broker.tls" : "broker.down", NULL, NULL, 0);

	jd_what(f, "%s gives no answer: %s.", url, why);
	if (tls)
		jd_fix(f,
		       "ca_file (%s) must be the CA that signed the broker's certificate, and the certificate must "
		       "hold the name in the URL.",
		       ca_file[0] ? ca_file : "the system's CAs");
	else
		jd_fix(f, "Is the broker running (curl -k %s/healthz), the name right, the port open?", url);
}

/* One of several that is down is a warning; all of them, or the only one, refuse everybody. */
static void judge_broker(struct jd_report *report, enum jd_severity severity, struct json_object *broker, bool demo,
			 const char *ca_file, const char *key_file)
{
	int64_t status = number_of(broker, "status");
	struct jd_finding *f;

	if (text_of(broker, "fault")[0]) {
		judge_fault(report, severity, broker, ca_file);
		return;
	}
	judge_skew(report, broker);
	if (demo)
		return;
	if (!key_file[0] && (status == 403 || status == 401)) {
		f = jd_find(report, severity, "broker.key", NULL, NULL, 0);
		jd_what(f, "%s does not let this instance's role in.", text_of(broker, "url"));
		jd_fix(f, "Its policy must allow execute-api:Invoke on the broker's API, broker_region must be the "
			  "API's, and "
			  "this host's clock right.");
	} else if (status == 403 || status == 401) {
		f = jd_find(report, severity, "broker.key", NULL, key_file, 0);
		jd_what(f, "%s does not accept this host's API key.", text_of(broker, "url"));
		jd_fix(f, "Make one at the broker: jit-broker key add HOST; put it into the file and restart "
			  "jit-helper. Where "
			  "the broker binds it to a client certificate: set tls_certificate and tls_key.");
	} else if (status != 200) {
		f = jd_find(report, severity, "broker.answer", NULL, NULL, 0);
		jd_what(f, "%s answers HTTP status %lld, which is not that of a broker in order.",
			text_of(broker, "url"), (long long)status);
		jd_fix(f, "Look at the broker's log, and whether the URL is the broker's.");
	}
}

static bool is_good(struct json_object *broker, bool demo)
{
	return !text_of(broker, "fault")[0] && (demo || number_of(broker, "status") == 200);
}

static void judge_type(struct jd_report *report, const char *config)
{
	struct jd_finding *f = jd_find(report, JD_WARNING, "helper.approved_by_nobody", NULL, config, 0);

	jd_what(f, "What this host is granted is approved by nobody: its broker is the reference deployment "
		   "(broker_type = seed-demo), which lets whoever asks approve itself.");
	jd_fix(f, "Run jit-broker, name it under broker and take broker_type out.");
}

static void judge_brokers(struct jd_report *report, enum jd_severity severity, struct json_object *document)
{
	struct json_object *brokers = list_of(document, "brokers"), *ca = NULL, *key = NULL;
	size_t count = brokers ? json_object_array_length(brokers) : 0, good = 0;
	const bool demo = strcmp(text_of(document, "brokerType"), "seed-demo") == 0;

	if (demo)
		judge_type(report, text_of(document, "config"));
	json_object_object_get_ex(document, "ca", &ca);
	json_object_object_get_ex(document, "key", &key);
	for (size_t i = 0; i < count; i++)
		good += is_good(json_object_array_get_idx(brokers, i), demo);
	for (size_t i = 0; i < count; i++)
		judge_broker(report, good ? JD_WARNING : severity, json_object_array_get_idx(brokers, i), demo,
			     text_of(ca, "file"), text_of(key, "file"));
}

struct json_object *jd_probe_service(const struct jd_probe *probe, const char *name)
{
	struct json_object *services = probe->document ? list_of(probe->document, "services") : NULL;

	for (size_t i = 0; services && i < json_object_array_length(services); i++) {
		struct json_object *one = json_object_array_get_idx(services, i);

		if (strcmp(text_of(one, "name"), name) == 0)
			return one;
	}
	return NULL;
}

static const char *text_or(struct json_object *document, const char *name, const char *otherwise)
{
	const char *text = text_of(document, name);

	return text[0] ? text : otherwise;
}

void jd_probe_judge(struct jd_report *report, bool gated, struct json_object *document, struct jd_probe *ret)
{
	enum jd_severity severity = gated ? JD_ERROR : JD_WARNING;

	*ret = (struct jd_probe){
		.document = document,
		.conf_good = judge_conf(report, severity, document),
		.timeout_s = (long)number_of(document, "timeout"),
		.user = text_or(document, "user", "_jit"),
		.glass = text_of(document, "breakGlassGroup"),
		.pam_socket = text_or(document, "pamSocket", JIT_PAM_SOCKET),
		.session_socket = text_or(document, "sessionSocket", JIT_SESSION_SOCKET),
		.keyring_needed = strcmp(text_of(document, "withoutKeyring"), "refuse") == 0,
	};
	judge_key(report, severity, document);
	judge_certificate(report, severity, document);
	if (judge_ca(report, severity, document))
		judge_brokers(report, severity, document);
}

/* Where this very program was installed elsewhere, there: /opt/x/sbin/jit-helper, also for /opt/x/bin/jit. */
static void find_helper(char *buf, size_t size)
{
	char self[512];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	static const char *const ends[] = {"/bin/jit", "/sbin/jit-helper"};

	snprintf(buf, size, HELPER);
	self[len > 0 ? len : 0] = '\0';
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		ssize_t before = len - (ssize_t)strlen(ends[i]);

		if (before > 0 && strcmp(self + before, ends[i]) == 0)
			snprintf(buf, size, "%.*s/sbin/jit-helper", (int)before, self);
	}
}

void jd_probe_look(struct jd_report *report, bool gated, struct jd_probe *ret)
{
	char helper[600];
	const char *const command[] = {helper, "--probe", NULL};
	struct json_object *document = NULL;
	struct jd_output output;

	find_helper(helper, sizeof(helper));
	int r = jd_run(command, RUN_MS, &output);
	if (r == 0) {
		document = output.status == 0 ? json_tokener_parse(output.text) : NULL;
		jd_output_clear(&output);
	}
	if (document && json_object_is_type(document, json_type_object)) {
		jd_probe_judge(report, gated, document, ret);
		return;
	}
	json_object_put(document);
	*ret = (struct jd_probe){
		.user = "_jit", .glass = "", .pam_socket = JIT_PAM_SOCKET, .session_socket = JIT_SESSION_SOCKET};
	struct jd_finding *f = jd_find(report, gated ? JD_ERROR : JD_WARNING, "helper.missing", NULL, helper, 0);
	jd_what(f, "jit-helper could not be asked (%s): configuration, key and broker were not looked at.",
		r < 0 ? jd_run_trouble(r) : "it failed");
	jd_fix(f, "Install jit-helper of the same version as jit.");
}

void jd_probe_clear(struct jd_probe *probe)
{
	json_object_put(probe->document);
	*probe = (struct jd_probe){0};
}
