/*
 * The log's line of a request: "R7KD-2M9Q changed status=APPROVED id=0b6c…
 * host=web-1 requester=op1 role=admin by=appr1": logfmt behind two words. What
 * a person wrote is quoted where it could be taken for another field.
 */
#ifndef JB_LOG_REQUEST_H
#define JB_LOG_REQUEST_H

#include "request.h"

/* `what` happened to it: one word. */
void jb_log_request(const char *what, const struct jb_request *request);

#endif
