/* See status.h. */
#include "status.h"

#include <json-c/json.h>
#include <string.h>

#include "ahead.h"
#include "clock.h"
#include "elevation.h"
#include "helper.h"

static struct json_object *words_json(const char *words)
{
	struct json_object *list = json_object_new_array();

	while (list && *words) {
		size_t n = strcspn(words, " ");
		json_object_array_add(list, json_object_new_string_len(words, (int)n));
		words += n + (words[n] == ' ');
	}
	return list;
}

static struct json_object *credentials_json(const struct jh_grant *g, int64_t now_ms)
{
	const struct jh_creds *creds = jh_collect_current(g);

	if (!creds)
		return NULL;
	struct json_object *json = json_object_new_object();
	if (json)
		json_object_object_add(json, "expiresIn", json_object_new_int64((creds->expires_ms - now_ms) / 1000));
	return json;
}

static void add_text(struct json_object *json, const char *name, const char *text)
{
	json_object_object_add(json, name, json_object_new_string(text));
}

static struct json_object *grant_json(const struct jh_grant *g, int64_t now_ms)
{
	struct json_object *json = json_object_new_object();

	if (!json)
		return NULL;
	add_text(json, "requestId", g->id);
	add_text(json, "shortId", g->short_id);
	add_text(json, "role", g->role);
	json_object_object_add(json, "targets", words_json(g->targets));
	json_object_object_add(json, "services", words_json(g->services));
	add_text(json, "state", g->active ? "ACTIVE" : "APPROVED");
	json_object_object_add(json, "remaining", json_object_new_int64(jh_grant_left_s(g, now_ms)));
	if (g->demo)
		json_object_object_add(json, "approvedByNobody", json_object_new_boolean(true));
	else if (g->local)
		json_object_object_add(json, "breakGlass", json_object_new_boolean(true));
	else
		add_text(json, "approvedBy", g->approved_by);
	json_object_object_add(json, "elevations", json_object_new_int64(jh_elevations_of(g)));
	json_object_object_add(json, "keyring", json_object_new_boolean(!jh_elevations_keyless(g)));
	add_text(json, "scope", g->of_user ? "user" : "session");
	add_text(json, "onExpiry", g->ends ? "end" : "warn");
	json_object_object_add(json, "hasCredentials", json_object_new_boolean(g->has_arn));
	if (g->collector.trouble[0])
		add_text(json, "trouble", g->collector.trouble);
	json_object_object_add(json, "credentials", credentials_json(g, now_ms));
	return json;
}

bool jh_speaker_holds(const struct jh_speaker *speaker, const struct jh_grant *grant)
{
	return grant == speaker->under || jh_grant_is_of(grant, &speaker->session);
}

struct json_object *jh_status_json(const struct jh_helper *helper, const struct jh_speaker *speaker)
{
	struct json_object *json = json_object_new_object(), *list = json_object_new_array();
	int64_t now_ms = jit_boottime_ms();
	const struct jh_grant *g;

	if (!json || !list) {
		json_object_put(json);
		json_object_put(list);
		return NULL;
	}
	for (g = LIST_FIRST(&helper->grants); g; g = LIST_NEXT(g, link))
		if (jh_speaker_holds(speaker, g))
			json_object_array_add(list, grant_json(g, now_ms));
	json_object_object_add(json, "grants", list);
	json_object_object_add(json, "requests", jh_ahead_list_json(helper, &speaker->session));
	json_object_object_add(json, "elevated", json_object_new_boolean(speaker->under != NULL));
	return json;
}
