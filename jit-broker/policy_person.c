/* See policy.h: whose request it is, who may decide it, and whose approvals count. Persons are compared, not names. */
#include <string.h>

#include "policy_private.h"

/* The section's name is a person's own too, even where `unix` leaves it out. */
static bool is_name_of(const struct jb_conf *conf, const struct jb_person *person, const char *name)
{
	return name && (strcmp(name, person->name) == 0 || jb_conf_person_by_unix(conf, name) == person);
}

bool jb_policy_is_own(const struct jb_conf *conf, const struct jb_request *request, const struct jb_person *person)
{
	return (request->person && strcmp(request->person, person->name) == 0) ||
	       is_name_of(conf, person, request->requester) || is_name_of(conf, person, request->login_user);
}

/* A person who may decide over anything at all: declared, and one human being. */
static const struct jb_person *decider(const struct jb_conf *conf, const char *name, struct jb_decision *d)
{
	const struct jb_person *person = jb_conf_person(conf, name);

	if (person && !person->shared)
		return person;
	jb_policy_refuse(d, "approval.not_eligible", person ? person->lines.section : 0,
			 "%s is no person that the broker knows, so nothing can be approved under that name",
			 name ? name : "nobody");
	return NULL;
}

struct jb_decision jb_policy_may_decide(const struct jb_conf *conf, const struct jb_request *request, const char *name)
{
	struct jb_decision d = {.allowed = false};
	const struct jb_role *role = jb_conf_role(conf, request->role);
	const struct jb_person *person = decider(conf, name, &d);

	if (!person)
		return d;
	if (jb_policy_is_own(conf, request, person))
		jb_policy_refuse(&d, "approval.own_request", jb_conf_line(&person->lines, JB_KEY_UNIX),
				 "this is your own request; another approver of role %s has to decide it",
				 request->role);
	else if (!role || !jb_conf_lists(conf, &role->approvers, person->name))
		jb_policy_refuse(&d, "approval.not_eligible", role ? jb_conf_line(&role->lines, JB_KEY_APPROVERS) : 0,
				 "%s is not an approver of role %s; the broker's operator sets its approvers",
				 person->name, request->role);
	else
		jb_policy_accept(&d, jb_conf_line(&role->lines, JB_KEY_APPROVERS), "%s is an approver of role %s",
				 person->name, role->name);
	return d;
}

struct jb_decision jb_policy_may_revoke(const struct jb_conf *conf, const struct jb_request *request, const char *name)
{
	struct jb_decision d = {.allowed = false};
	const struct jb_role *role = jb_conf_role(conf, request->role);
	const struct jb_person *person = decider(conf, name, &d);

	if (!person)
		return d;
	if (role)
		d.allowed = jb_conf_lists(conf, &role->approvers, person->name);
	for (size_t i = 0; !role && i < conf->role_count; i++) /* taking away is the safe direction */
		d.allowed |= jb_conf_lists(conf, &conf->roles[i].approvers, person->name);
	if (!d.allowed)
		jb_policy_refuse(&d, "approval.not_eligible", role ? jb_conf_line(&role->lines, JB_KEY_APPROVERS) : 0,
				 "%s is not an approver of role %s; the broker's operator sets its approvers",
				 person->name, request->role);
	return d;
}

unsigned jb_policy_count_approvals(const struct jb_conf *conf, const struct jb_request *request)
{
	unsigned count = 0;

	/* Persons, not words: each declared person is asked once whether the words hold them. */
	for (size_t i = 0; request->approved_by && i < conf->person_count; i++) {
		const char *name = conf->persons[i].name;
		size_t len = strlen(name);
		bool approved = false;

		for (const char *w = request->approved_by; *(w += strspn(w, " ")); w += strcspn(w, " "))
			approved |= strcspn(w, " ") == len && memcmp(w, name, len) == 0;
		count += approved && jb_policy_may_decide(conf, request, name).allowed;
	}
	return count;
}
