/*
 * What the approvers' commands print. Every text comes from a requester or the
 * network and is cleaned first; what is really granted stands before what the
 * requester says.
 */
#ifndef JB_CLIENT_SHOW_H
#define JB_CLIENT_SHOW_H

#include <stdbool.h>
#include <stdio.h>

struct json_object;

/* One request, a line for each thing worth knowing. */
void jb_show_request(FILE *out, struct json_object *request);
/* {"requests":[…]}, or that nothing waits. */
void jb_show_list(FILE *out, struct json_object *list, const char *status);
/* JSON in ASCII: whatever stands in it, a terminal shows it as it is. */
void jb_show_json(FILE *out, struct json_object *json);
/* One sentence on what `verb` (approve, deny, revoke) has done. */
void jb_show_decision(FILE *out, const char *verb, struct json_object *request);
/* Does approving it take a code? */
bool jb_show_wants_code(struct json_object *request);

#endif
