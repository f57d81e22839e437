/* See call.h and call_transport.h. */
#include "call_transport.h"

#include <stdio.h>

const char *jb_call_method(const struct jb_call *call)
{
	return call->head.method;
}

const char *jb_call_path(const struct jb_call *call)
{
	return call->head.path;
}

const char *jb_call_header(const struct jb_call *call, const char *name)
{
	return jb_http_header(&call->head, name);
}

int jb_call_query(const struct jb_call *call, const char *name, char *buf, size_t size)
{
	return jb_http_query(&call->head, name, buf, size);
}

int jb_call_query_next(const struct jb_call *call, const char *name, const char **at, char *buf, size_t size)
{
	return jb_http_query_next(&call->head, name, at, buf, size);
}

const char *jb_call_body(const struct jb_call *call, size_t *ret_len)
{
	*ret_len = call->head.content_length;
	return call->body;
}

const struct jb_address *jb_call_peer(const struct jb_call *call)
{
	return &call->peer;
}

bool jb_call_certified(struct jb_call *call, const char *name, char *why, size_t why_size)
{
	if (call->transport->certified)
		return call->transport->certified(call, name, why, why_size);
	snprintf(why, why_size, "no client certificate can come with a call here");
	return false;
}

const char *jb_call_host(const struct jb_call *call)
{
	return call->host;
}

void jb_call_trust(struct jb_call *call)
{
	if (call->transport->trust)
		call->transport->trust(call);
}

bool jb_call_can_wait(struct jb_call *call, unsigned again_s)
{
	call->again_s = call->transport->may_wait ? 0 : again_s;
	return call->transport->may_wait;
}

void jb_call_on_gone(struct jb_call *call, void (*gone)(void *arg), void *arg)
{
	call->gone = gone;
	call->gone_arg = arg;
}

void jb_call_lost(struct jb_call *call)
{
	if (call->gone)
		call->gone(call->gone_arg);
}

void jb_call_reply(struct jb_call *call, int status, const char *headers, const char *body, size_t len)
{
	call->gone = NULL;
	call->transport->reply(call, status, headers, body, len);
}
