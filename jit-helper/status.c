/* See status.h. */
#include "status.h"

#include <string.h>

#include "ahead.h"
#include "clock.h"
#include "elevation.h"
#include "helper.h"
#include "json.h"

/* Each is false when out of memory: the whole is nothing then. */

static bool add_words(struct json_object *json, const char *name, const char *words)
{
	struct json_object *list = json_object_new_array();
	bool whole = jit_json_add(json, name, list);

	while (whole && *words) {
		size_t n = strcspn(words, " ");
		whole = jit_json_append(list, json_object_new_string_len(words, (int)n));
		words += n + (words[n] == ' ');
	}
	return whole;
}

/* null where there are none. */
static bool add_credentials(struct json_object *json, const struct jh_grant *g, int64_t now_ms)
{
	const struct jh_creds *creds = jh_collect_current(g);

	if (!creds)
		return json_object_object_add(json, "credentials", NULL) == 0;
	struct json_object *about = json_object_new_object();
	return jit_json_add(json, "credentials", about) &&
	       jit_json_add(about, "expiresIn", json_object_new_int64((creds->expires_ms - now_ms) / 1000));
}

static bool add_text(struct json_object *json, const char *name, const char *text)
{
	return jit_json_add(json, name, json_object_new_string(text));
}

static bool add_flag(struct json_object *json, const char *name, bool flag)
{
	return jit_json_add(json, name, json_object_new_boolean(flag));
}

static bool add_approver(struct json_object *json, const struct jh_grant *g)
{
	return g->demo	  ? add_flag(json, "approvedByNobody", true)
	       : g->local ? add_flag(json, "breakGlass", true)
			  : add_text(json, "approvedBy", g->approved_by);
}

static struct json_object *grant_json(const struct jh_grant *g, int64_t now_ms)
{
	JIT_JSON struct json_object *json = json_object_new_object();

	const bool whole =
		add_text(json, "requestId", g->id) && add_text(json, "shortId", g->short_id) &&
		add_text(json, "role", g->role) && add_words(json, "targets", g->targets) &&
		add_words(json, "services", g->services) &&
		add_text(json, "state", g->active ? "ACTIVE" : "APPROVED") &&
		jit_json_add(json, "remaining", json_object_new_int64(jh_grant_left_s(g, now_ms))) &&
		add_approver(json, g) && jit_json_add(json, "elevations", json_object_new_int64(jh_elevations_of(g))) &&
		add_flag(json, "keyring", !jh_elevations_keyless(g)) &&
		add_text(json, "scope", g->of_user ? "user" : "session") &&
		add_text(json, "onExpiry", g->ends ? "end" : "warn") && add_flag(json, "hasCredentials", g->has_arn) &&
		(!g->collector.trouble[0] || add_text(json, "trouble", g->collector.trouble)) &&
		add_credentials(json, g, now_ms);
	return whole ? JIT_TAKE(json) : NULL;
}

bool jh_speaker_holds(const struct jh_speaker *speaker, const struct jh_grant *grant)
{
	return grant == speaker->under || jh_grant_is_of(grant, &speaker->session);
}

struct json_object *jh_status_json(const struct jh_helper *helper, const struct jh_speaker *speaker)
{
	JIT_JSON struct json_object *json = json_object_new_object();
	struct json_object *list = json_object_new_array();
	int64_t now_ms = jit_boottime_ms();
	const struct jh_grant *g;
	bool whole = jit_json_add(json, "grants", list);

	for (g = LIST_FIRST(&helper->grants); whole && g; g = LIST_NEXT(g, link))
		if (jh_speaker_holds(speaker, g))
			whole = jit_json_append(list, grant_json(g, now_ms));
	whole = whole && jit_json_add(json, "requests", jh_ahead_list_json(helper, &speaker->session)) &&
		add_flag(json, "elevated", speaker->under != NULL);
	return whole ? JIT_TAKE(json) : NULL;
}
