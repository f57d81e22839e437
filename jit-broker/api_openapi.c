/* The API's description for machines: openapi.json, as it lies in the tree. */
#include "api.h"
#include "embed.h"

JB_EMBED(jb_openapi, "jit-broker/openapi.json");

void jb_api_openapi(struct jb_ask *ask)
{
	jb_call_reply(ask->call, 200, "Content-Type: application/json\r\n", jb_openapi,
		      jb_embed_size(jb_openapi, jb_openapi_end));
}
