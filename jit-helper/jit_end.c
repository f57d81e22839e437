/* jit end: gives a grant back, or withdraws what has been requested. See jit.h. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "jit.h"
#include "jit_doc.h"

static enum jit_exit print_ended(const struct jit_frame *frame)
{
	struct json_object *doc = jit_doc_read(frame);
	char ended[2048], withdrawn[2048];

	if (!doc)
		return JIT_EXIT_INTERNAL;
	if (jit_doc_join(doc, "ended", ended, sizeof(ended))[0])
		printf("Given back: %s\n", ended);
	if (jit_doc_join(doc, "withdrawn", withdrawn, sizeof(withdrawn))[0])
		printf("Withdrawn: %s\n", withdrawn);
	json_object_put(doc);
	return JIT_EXIT_OK;
}

static enum jit_exit run(const struct jit_command *self, int argc, char **argv)
{
	struct jit_frame frame;
	const char *socket;
	bool json = false;
	int done = jit_plain_options(self, argc, argv, 1, &socket, &json);

	if (done >= 0)
		return (enum jit_exit)done;
	const char *id = optind < argc ? argv[optind] : NULL;
	if (id && strlen(id) >= JIT_ID_SIZE)
		return jit_usage(self, "that is no id (`jit status` shows them)");
	jit_frame_start(&frame, JIT_F_END);
	(void)jit_put_token(&frame); /* without one it is the login session's own */
	jit_frame_put_str(&frame, JIT_T_GRANT, id);
	enum jit_exit status = jit_call(socket, &frame);
	if (status == JIT_EXIT_OK)
		status = json ? jit_print_json(&frame) : print_ended(&frame);
	jit_frame_wipe(&frame);
	return status;
}

const struct jit_command jit_command_end = {
	.name = "end",
	.synopsis = "[ID] [--json] [--socket PATH]",
	.summary = "Give grants back and withdraw requests of this login session",
	.details = "  ID      that one alone, by the id that `jit status` shows; else all of them\n"
		   "  --json  the document as it is: {\"ended\":[…],\"withdrawn\":[…]}\n",
	.run = run,
};
