/* See sts.h: the half that is sent. */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "draft.h"
#include "json.h"
#include "json_read.h"
#include "sts.h"

#define SESSION_NAME_MAX 64
#define TAG_VALUE_MAX	 256
#define DURATION_MIN	 900  /* seconds; STS takes no less */
#define DURATION_MAX	 3600 /* seconds; of a role assumed by a role */

int64_t jb_sts_end(const struct jb_request *request, const struct jb_role *role, int64_t now)
{
	int64_t end = now + role->credential_lifetime;

	return request->granted_until && request->granted_until < end ? request->granted_until : end;
}

static bool add_text(struct json_object *to, const char *name, const char *value)
{
	return jit_json_add(to, name, json_object_new_string(value));
}

/* NULL: out of memory. */
static struct json_object *statement(const char *effect, const char *action)
{
	struct json_object *s = json_object_new_object();

	if (add_text(s, "Effect", effect) && add_text(s, "Action", action) && add_text(s, "Resource", "*"))
		return s;
	json_object_put(s);
	return NULL;
}

static struct json_object *nothing_from(int64_t end)
{
	struct json_object *s = statement("Deny", "*"), *condition = json_object_new_object();
	struct json_object *date = json_object_new_object();
	char instant[JIT_ISO_SIZE];

	jit_iso_format(end, instant);
	bool whole = add_text(date, "aws:CurrentTime", instant);
	whole &= jit_json_add(condition, "DateGreaterThanEquals", date);
	whole &= jit_json_add(s, "Condition", condition);
	if (whole)
		return s;
	json_object_put(s);
	return NULL;
}

/* The statements of the role's own policy: one, or an array of them. */
static int add_own(struct json_object *statements, const char *policy)
{
	struct json_object *json = NULL, *own;
	bool whole = true;
	size_t count = 0;

	int r = jit_json_read(policy, strlen(policy), JIT_JSON_DEPTH, &json);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(json, "Statement", &own))
		goto out;
	if (json_object_is_type(own, json_type_object)) {
		whole = jit_json_append(statements, json_object_get(own));
		count = 1;
	} else if (json_object_is_type(own, json_type_array)) {
		for (; count < json_object_array_length(own); count++)
			whole &= jit_json_append(statements, json_object_get(json_object_array_get_idx(own, count)));
	}
out:
	json_object_put(json);
	return !whole ? -ENOMEM : count ? 0 : -EINVAL;
}

int jb_sts_policy(const struct jb_role *role, int64_t end, char **ret)
{
	struct json_object *policy = json_object_new_object(), *statements = json_object_new_array();
	const char *text = NULL;
	int r = 0;

	if (role->session_policy)
		r = add_own(statements, role->session_policy);
	else if (!jit_json_append(statements, statement("Allow", "*")))
		r = -ENOMEM;
	bool whole = jit_json_append(statements, nothing_from(end));
	if (!role->chaining_allowed) /* AssumeRoot too: what it gives is bound by no policy of ours */
		whole &= jit_json_append(statements, statement("Deny", "sts:Assume*"));
	whole &= add_text(policy, "Version", "2012-10-17");
	whole &= jit_json_add(policy, "Statement", statements);
	if (r == 0 && (!whole || !(text = jit_json_text(policy, NULL))))
		r = -ENOMEM;
	if (r == 0 && strlen(text) > JB_STS_POLICY_MAX)
		r = -E2BIG;
	char *copy = r == 0 ? strdup(text) : NULL;
	json_object_put(policy);
	if (!copy)
		return r < 0 ? r : -ENOMEM;
	*ret = copy;
	return 0;
}

static void put(struct jit_draft *form, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);

	/* curl_easy_escape leaves RFC 3986's unreserved characters alone, which is what SigV4 signs; Ceph decodes no
	 * '+'. */
	if (escaped)
		jit_draft_printf(form, "%s%s=%s", form->len ? "&" : "", name, escaped);
	else
		form->lost = true;
	curl_free(escaped);
}

/* Copies with every character outside letters, digits and `also` as '_': one for a whole UTF-8 character. */
static void map(char *buf, size_t size, const char *s, const char *also)
{
	size_t out = 0;

	for (; *s && out + 1 < size; s++) {
		bool plain = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z');
		if ((*s & 0xc0) == 0x80)
			continue;
		buf[out++] = plain || strchr(also, *s) ? *s : '_';
	}
	buf[out] = '\0';
}

/* CloudTrail shows it: who, and under which request. The requester is cut, the id never. */
static void put_session_name(struct jit_draft *form, const struct jb_request *request)
{
	char requester[SESSION_NAME_MAX + 1 - sizeof(request->short_id)], name[SESSION_NAME_MAX + 1];

	map(requester, sizeof(requester), request->requester, "_+=,.@-");
	snprintf(name, sizeof(name), "%s-%s", requester, request->short_id);
	put(form, "RoleSessionName", name);
}

static void put_tags(struct jit_draft *form, const struct jb_request *request)
{
	const struct {
		const char *key, *value;
	} tags[] = {
		{"jit:requestId", request->id},
		{"jit:host", request->host},
		{"jit:approver", request->approved_by ? request->approved_by : request->decided_by},
		{"jit:ticket", request->ticket},
	};
	char name[40], value[TAG_VALUE_MAX + 1];
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (!tags[i].value || !*tags[i].value)
			continue;
		n++;
		map(value, sizeof(value), tags[i].value, " _.:/=+-@");
		snprintf(name, sizeof(name), "Tags.member.%u.Key", n);
		put(form, name, tags[i].key);
		snprintf(name, sizeof(name), "Tags.member.%u.Value", n);
		put(form, name, value);
	}
}

int jb_sts_form(const struct jb_request *request, const struct jb_role *role, int64_t end, char **ret)
{
	uint32_t seconds = role->credential_lifetime;
	JIT_FREE char *policy = NULL;
	struct jit_draft form = {0};
	char duration[16];

	int r = jb_sts_policy(role, end, &policy);
	if (r < 0)
		return r;
	if (seconds < DURATION_MIN)
		seconds = DURATION_MIN;
	snprintf(duration, sizeof(duration), "%u", seconds > DURATION_MAX ? DURATION_MAX : seconds);
	put(&form, "Action", "AssumeRole");
	put(&form, "Version", "2011-06-15");
	put(&form, "RoleArn", role->arn);
	put_session_name(&form, request);
	put(&form, "SourceIdentity", request->requester);
	put(&form, "DurationSeconds", duration);
	if (role->external_id)
		put(&form, "ExternalId", role->external_id);
	put_tags(&form, request);
	put(&form, "Policy", policy);
	char *text = jit_draft_done(&form, NULL);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}
