/*
 * A request at the reference deployment (demo.h): one call, which grants or
 * refuses. It is made once, since a second one would grant twice; nothing can be
 * followed, withdrawn, renewed or given back there.
 */
#ifndef JH_REQUEST_DEMO_H
#define JH_REQUEST_DEMO_H

#include "request.h"

struct jh_grant;

/* Instead of a filing. May end the request. */
void jh_request_demo(struct jh_request *request);

/* What came becomes the grant's: its credentials, and that no broker knows of it. */
void jh_demo_own(struct jh_request *request, struct jh_grant *grant);

#endif
