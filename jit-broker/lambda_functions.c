/* See lambda_functions.h. */
#include "lambda_functions.h"

#include <stdio.h>
#include <string.h>

#include "api.h"

struct jb_function {
	const char *name;
	struct {
		const char *method, *path; /* as in the API's routes */
	} calls[2];
	enum jb_function_kind kind;
	bool direct;
};

static const struct jb_function functions[] = {
	{.name = "RequestElevatedAccess", .calls = {{"POST", "/request-access"}}, .direct = true},
	{.name = "Changes", .calls = {{"GET", "/changes"}, {"GET", "/hosts"}}},
	{.name = "Status", .calls = {{"GET", "/requests"}, {"GET", "/requests/*"}}},
	{.name = "Start", .calls = {{"POST", "/requests/*/start"}}},
	{.name = "Credentials", .calls = {{"POST", "/requests/*/credentials"}}},
	{.name = "Cancel", .calls = {{"POST", "/requests/*/cancel"}}},
	{.name = "End", .calls = {{"POST", "/requests/*/end"}}},
	{.name = "Events", .calls = {{"POST", "/events"}}},
	{.name = "Approve", .calls = {{"POST", "/requests/*/approve"}}},
	{.name = "Deny", .calls = {{"POST", "/requests/*/deny"}}},
	{.name = "Revoke", .calls = {{"POST", "/requests/*/revoke"}}},
	{.name = "UpdateAccessStatus", .kind = JB_FUNCTION_STATUS},
	{.name = "AssumeJITRole", .kind = JB_FUNCTION_ISSUE},
	{.name = "Notify", .kind = JB_FUNCTION_SWEEP},
	{.name = "Sweep", .kind = JB_FUNCTION_SWEEP},
};

#define COUNT (sizeof(functions) / sizeof(functions[0]))

const struct jb_function *jb_function_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

void jb_function_names(char *buf, size_t size)
{
	size_t at = 0;

	*buf = '\0';
	for (size_t i = 0; i < COUNT && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "", functions[i].name);
}

enum jb_function_kind jb_function_kind(const struct jb_function *function)
{
	return function->kind;
}

bool jb_function_serves(const struct jb_function *function, const char *method, const char *path)
{
	char id[64];

	for (size_t i = 0; i < sizeof(function->calls) / sizeof(function->calls[0]); i++)
		if (function->calls[i].method && strcmp(function->calls[i].method, method) == 0 &&
		    jb_api_matches(function->calls[i].path, path, id, sizeof(id)))
			return true;
	return false;
}

bool jb_function_is_direct(const struct jb_function *function)
{
	return function->direct;
}
