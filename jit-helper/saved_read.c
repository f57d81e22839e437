/* See saved.h: the reading of it. Every field must be there (but where it says else), of its type and in its range. */
#include "saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "json.h"
#include "text.h"

#define VERSION_OF_TWO 2 /* the same, without withdrawals */
#define VERSION_LEAST  1 /* and where every elevation's session has its leader */
#define DURATION_MAX_S (7 * 24 * 3600)
#define HASH_TEXT      JIT_B64_SIZE(JH_HASH_LEN)

static bool get_text(struct json_object *json, const char *name, char *buf, size_t size)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, name, &value) || !json_object_is_type(value, json_type_string))
		return false;
	const char *text = json_object_get_string(value);
	size_t len = (size_t)json_object_get_string_len(value);
	/* Clean when it was written: one that cleaning changes was written by somebody else. */
	return strlen(text) == len && len < size && jit_text_clean(buf, size, text, len) == len &&
	       memcmp(buf, text, len) == 0;
}

static bool get_number(struct json_object *json, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, name, &value) || !json_object_is_type(value, json_type_int))
		return false;
	*ret = json_object_get_int64(value);
	return *ret >= min && *ret <= max;
}

/* A time that lies off by no more than it can. */
static bool get_time(struct json_object *json, const char *name, int64_t min, int64_t latest, int64_t *ret)
{
	if (!get_number(json, name, min, INT64_MAX, ret))
		return false;
	*ret = *ret < latest ? *ret : latest;
	return true;
}

static bool get_bool(struct json_object *json, const char *name, bool *ret)
{
	struct json_object *value;

	if (!json_object_object_get_ex(json, name, &value) || !json_object_is_type(value, json_type_boolean))
		return false;
	*ret = json_object_get_boolean(value);
	return true;
}

static bool get_list(struct json_object *json, const char *name, size_t max, struct json_object **ret)
{
	return json_object_object_get_ex(json, name, ret) && json_object_is_type(*ret, json_type_array) &&
	       json_object_array_length(*ret) <= max;
}

/* An elevation's may be without its leader: whoever ends with the session watches it by the grant's. */
static bool read_session(struct json_object *parent, bool of_grant, struct jh_session *ret)
{
	struct json_object *json;
	int64_t uid, audit, leader, start, tty;

	if (!json_object_object_get_ex(parent, "session", &json) || !get_bool(json, "known", &ret->known) ||
	    !get_number(json, "uid", 0, UINT32_MAX, &uid) || !get_number(json, "audit", 0, UINT32_MAX, &audit) ||
	    !get_number(json, "leader", ret->known && (of_grant || audit == JH_NO_AUDIT) ? 1 : 0, INT32_MAX, &leader) ||
	    !get_number(json, "leaderStart", 0, INT64_MAX, &start) ||
	    !get_number(json, "leaderTty", INT32_MIN, INT32_MAX, &tty))
		return false;
	ret->uid = (uid_t)uid;
	ret->audit = (uint32_t)audit;
	ret->leader = (pid_t)leader;
	ret->leader_start = (uint64_t)start;
	ret->leader_tty = (int)tty;
	return get_text(json, "place", ret->place, sizeof(ret->place));
}

static bool read_traces(struct json_object *parent, struct jh_traces *ret)
{
	struct json_object *list;
	int64_t audit, uid, pid, start;

	if (!get_list(parent, "traces", JH_TRACES_MAX, &list))
		return false;
	for (ret->count = 0; ret->count < json_object_array_length(list); ret->count++) {
		struct json_object *json = json_object_array_get_idx(list, ret->count);
		struct jh_trace *t = &ret->at[ret->count];
		if (!get_number(json, "audit", 0, UINT32_MAX, &audit) ||
		    !get_number(json, "uid", 0, UINT32_MAX, &uid) || !get_number(json, "pid", 1, INT32_MAX, &pid) ||
		    !get_number(json, "start", 0, INT64_MAX, &start) || !get_bool(json, "descent", &t->descent))
			return false;
		t->audit = (uint32_t)audit;
		t->uid = (uid_t)uid;
		t->pid = (pid_t)pid;
		t->start = (uint64_t)start;
	}
	return true;
}

static bool read_grant_texts(struct json_object *json, struct jh_grant *g)
{
	return get_text(json, "id", g->id, sizeof(g->id)) && strlen(g->id) == sizeof(g->id) - 1 &&
	       get_text(json, "shortId", g->short_id, sizeof(g->short_id)) &&
	       get_text(json, "requester", g->requester, sizeof(g->requester)) && g->requester[0] &&
	       get_text(json, "role", g->role, sizeof(g->role)) && g->role[0] &&
	       get_text(json, "approvedBy", g->approved_by, sizeof(g->approved_by)) &&
	       get_text(json, "services", g->services, sizeof(g->services)) &&
	       get_text(json, "targets", g->targets, sizeof(g->targets)) &&
	       get_text(json, "region", g->region, sizeof(g->region));
}

static bool read_owner(struct json_object *json, int64_t now_ms, struct jh_grant *g)
{
	return get_bool(json, "ofUser", &g->of_user) && get_bool(json, "open", &g->open) &&
	       get_bool(json, "ahead", &g->ahead) &&
	       get_time(json, "claimedUntil", 0, now_ms + JH_CLAIM_MS, &g->claimed_until_ms) &&
	       read_session(json, true, &g->session);
}

static bool read_grant(struct json_object *json, int64_t now_ms, struct jh_saved *saved)
{
	struct jh_grant *g = calloc(1, sizeof(*g));
	int64_t warned;

	if (!g)
		return false;
	LIST_INSERT_HEAD(&saved->grants, g, link);
	if (!read_grant_texts(json, g) || !get_bool(json, "credentials", &g->has_arn) ||
	    !get_bool(json, "local", &g->local) || !get_bool(json, "ends", &g->ends) ||
	    !get_bool(json, "active", &g->active) || !get_bool(json, "started", &g->collector.started) ||
	    !get_number(json, "duration", 1, DURATION_MAX_S, &g->duration_s) ||
	    !get_time(json, "until", 1, now_ms + (g->active ? g->duration_s * 1000 : JH_UNUSED_MS), &g->until_ms) ||
	    !get_number(json, "warned", 0, JH_WARNINGS_MAX, &warned) || !read_owner(json, now_ms, g) ||
	    !read_traces(json, &g->traces))
		return false;
	g->warning.next = (size_t)warned;
	return true;
}

static bool read_elevation(struct json_object *json, struct jh_saved *saved)
{
	struct jh_saved_elevation *e = calloc(1, sizeof(*e));
	char hash[HASH_TEXT];
	int64_t uid, pid, start;
	size_t len;

	if (!e)
		return false;
	LIST_INSERT_HEAD(&saved->elevations, e, link);
	if (!get_text(json, "grant", e->grant, sizeof(e->grant)) ||
	    !get_text(json, "target", e->facts.target, sizeof(e->facts.target)) || !e->facts.target[0] ||
	    !get_text(json, "hash", hash, sizeof(hash)) ||
	    jit_b64_decode(hash, strlen(hash), e->facts.hash, JH_HASH_LEN, &len) < 0 || len != JH_HASH_LEN ||
	    !get_number(json, "uid", 0, UINT32_MAX, &uid) || !get_number(json, "pid", 1, INT32_MAX, &pid) ||
	    !get_number(json, "start", 0, INT64_MAX, &start) || !get_bool(json, "keyless", &e->facts.keyless) ||
	    !get_bool(json, "descent", &e->facts.descent) || !read_session(json, false, &e->facts.session))
		return false;
	e->facts.target_uid = (uid_t)uid;
	e->pid = (pid_t)pid;
	e->start = (uint64_t)start;
	return true;
}

static bool read_ending(struct json_object *json, int64_t now_ms, struct jh_saved *saved)
{
	struct jh_ending *e = calloc(1, sizeof(*e));

	if (!e)
		return false;
	LIST_INSERT_HEAD(&saved->endings, e, link);
	/* Its requester came later than the rest, within one version. */
	return get_text(json, "shortId", e->short_id, sizeof(e->short_id)) &&
	       (!json_object_object_get_ex(json, "requester", NULL) ||
		get_text(json, "requester", e->requester, sizeof(e->requester))) &&
	       get_time(json, "kill", 0, now_ms + JH_END_GRACE_MAX_S * 1000, &e->kill_ms) &&
	       read_traces(json, &e->traces);
}

static bool read_withdrawal(struct json_object *json, struct jh_saved *saved)
{
	struct jh_saved_withdrawal *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	LIST_INSERT_HEAD(&saved->withdrawals, w, link);
	return get_text(json, "id", w->id, sizeof(w->id)) && strlen(w->id) == sizeof(w->id) - 1 &&
	       get_text(json, "shortId", w->short_id, sizeof(w->short_id)) &&
	       get_text(json, "requester", w->requester, sizeof(w->requester)) && w->requester[0] &&
	       get_bool(json, "unheard", &w->unheard);
}

static bool read_withdrawals(struct json_object *json, struct jh_saved *saved)
{
	struct json_object *list;

	if (!get_list(json, "withdrawals", JH_SAVED_LIST_MAX, &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!read_withdrawal(json_object_array_get_idx(list, i), saved))
			return false;
	return true;
}

static bool read_all(struct json_object *json, int64_t now_ms, struct jh_saved *saved)
{
	struct json_object *list;

	if (!get_list(json, "grants", JH_SAVED_LIST_MAX, &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!read_grant(json_object_array_get_idx(list, i), now_ms, saved))
			return false;
	if (!get_list(json, "elevations", JH_SAVED_LIST_MAX, &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!read_elevation(json_object_array_get_idx(list, i), saved))
			return false;
	if (!get_list(json, "endings", JH_SAVED_LIST_MAX, &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!read_ending(json_object_array_get_idx(list, i), now_ms, saved))
			return false;
	return true;
}

int jh_saved_parse(const char *text, size_t len, const char *boot_id, int64_t now_ms, struct jh_saved *ret, char *why,
		   size_t why_size)
{
	errno = 0; /* json-c leaves out what there is no memory for, and says so nowhere else */
	JIT_JSON struct json_object *json = jh_json_read(text, len);
	char boot[JH_BOOT_SIZE];
	int64_t version;

	*ret = (struct jh_saved){0};
	if (errno == ENOMEM) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	if (!json_object_is_type(json, json_type_object) ||
	    !get_number(json, "version", VERSION_LEAST, JH_SAVED_VERSION, &version) ||
	    !get_text(json, "boot", boot, sizeof(boot))) {
		snprintf(why, why_size, "it is not a state of this version of jit-helper");
		return -EINVAL;
	}
	if (strcmp(boot, boot_id) != 0) {
		snprintf(why, why_size, "it is of another boot");
		return -EINVAL;
	}
	if (!read_all(json, now_ms, ret) || (version > VERSION_OF_TWO && !read_withdrawals(json, ret))) {
		const bool lacking = errno == ENOMEM;
		jh_saved_clear(ret);
		snprintf(why, why_size, "%s", lacking ? "out of memory" : "it is damaged");
		return lacking ? -ENOMEM : -EINVAL;
	}
	return 0;
}

void jh_saved_clear(struct jh_saved *saved)
{
	while (!LIST_EMPTY(&saved->grants)) {
		struct jh_grant *g = LIST_FIRST(&saved->grants);
		LIST_REMOVE(g, link);
		free(g);
	}
	while (!LIST_EMPTY(&saved->elevations)) {
		struct jh_saved_elevation *e = LIST_FIRST(&saved->elevations);
		LIST_REMOVE(e, link);
		free(e);
	}
	while (!LIST_EMPTY(&saved->endings)) {
		struct jh_ending *e = LIST_FIRST(&saved->endings);
		LIST_REMOVE(e, link);
		free(e);
	}
	while (!LIST_EMPTY(&saved->withdrawals)) {
		struct jh_saved_withdrawal *w = LIST_FIRST(&saved->withdrawals);
		LIST_REMOVE(w, link);
		free(w);
	}
}
