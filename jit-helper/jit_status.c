/* jit status: what this login session holds. See jit.h. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "jit.h"
#include "jit_doc.h"
#include "text.h"

static void print_grant(struct json_object *grant)
{
	char id[64], role[JIT_NAME_SIZE], targets[512], services[512], left[32], by[JIT_NAME_SIZE], state[32];
	bool active = strcmp(jit_doc_text(grant, "state", state, sizeof(state)), "ACTIVE") == 0;

	jit_doc_text(grant, "approvedBy", by, sizeof(by));
	jit_format_duration((uint64_t)jit_doc_number(grant, "remaining"), left, sizeof(left));
	printf("%s  role %s as %s by %s, %s%s, approved by %s\n", jit_doc_text(grant, "shortId", id, sizeof(id)),
	       jit_doc_text(grant, "role", role, sizeof(role)),
	       jit_doc_join(grant, "targets", targets, sizeof(targets)),
	       jit_doc_join(grant, "services", services, sizeof(services)), left,
	       active ? " left" : " from its first use on", by[0] ? by : "the broker");
}

static enum jit_exit print_status(const struct jit_frame *frame)
{
	struct json_object *doc = jit_doc_read(frame), *list;
	enum jit_exit status = JIT_EXIT_OK;

	if (!doc)
		return JIT_EXIT_INTERNAL;
	list = jit_doc_list(doc, "grants");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		print_grant(json_object_array_get_idx(list, i));
	if (!list) {
		status = jit_doc_senseless();
	} else if (json_object_array_length(list) == 0) {
		puts("This login session holds no grant.");
		status = JIT_EXIT_NOTHING;
	}
	json_object_put(doc);
	return status;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct jit_frame frame;
	const char *socket;
	bool json = false;
	int done = jit_plain_options(self, argc, argv, 0, &socket, &json);

	if (done >= 0)
		return (enum jit_exit)done;
	jit_frame_start(&frame, JIT_F_STATUS);
	(void)jit_put_token(&frame); /* without one it is told of its own login session */
	enum jit_exit status = jit_call(socket, &frame);
	if (status == JIT_EXIT_OK)
		status = json ? jit_print_json(&frame) : print_status(&frame);
	jit_frame_wipe(&frame);
	return status;
}

const struct jit_command jit_command_status = {
	.name = "status",
	.synopsis = "[--json] [--socket PATH]",
	.summary = "What this login session holds, and for how long",
	.details = "  --json  the document as it is; exit status 0 without a grant too\n",
	.run = run,
};
