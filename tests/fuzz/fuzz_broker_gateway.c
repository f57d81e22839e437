/* An event of AWS Lambda, and the answer in the form that a gateway takes: whatever was asked and answered, it is JSON.
 */
#include <errno.h>
#include <json-c/json.h>
#include <strings.h>

#include "fuzz.h"
#include "gateway.h"

static void check_call(const struct jb_gateway_event *event)
{
	char value[64];
	unsigned keys = 0;

	FUZZ_CHECK(event->head.method && event->head.path && event->head.query && event->body);
	FUZZ_CHECK(event->head.content_length <= JB_HTTP_BODY_MAX && event->body[event->head.content_length] == '\0');
	FUZZ_CHECK(event->head.header_count <= JB_HTTP_HEADERS_MAX);
	for (size_t i = 0; i < event->head.header_count; i++) {
		FUZZ_CHECK(event->head.headers[i].name[0] && !strpbrk(event->head.headers[i].value, "\r\n"));
		keys += strcasecmp(event->head.headers[i].name, "x-api-key") == 0;
	}
	FUZZ_CHECK(keys <= 1);
	jb_http_query(&event->head, "wait", value, sizeof(value));
	if (event->kind == JB_GATEWAY_DIRECT)
		FUZZ_CHECK(strcmp(event->head.path, "/request-access") == 0 && !event->peer.known);
}

/* The input as a handler's body, under a handler's headers. */
static void check_answer(const uint8_t *body, size_t len)
{
	static const char headers[] = "Content-Type: application/json\r\nCache-Control: no-store\r\n";
	struct json_object *json, *member;
	size_t text_len;

	char *text = jb_gateway_answer(200, headers, (const char *)body, len, &text_len);
	FUZZ_CHECK(text && strlen(text) == text_len && (json = json_tokener_parse(text)));
	for (const char *c = text; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= ' '); /* json-c lets them pass, others do not */
	FUZZ_CHECK(json_object_object_get_ex(json, "isBase64Encoded", &member));
	bool encoded = json_object_get_boolean(member);
	FUZZ_CHECK(json_object_object_get_ex(json, "body", &member));
	if (!encoded)
		FUZZ_CHECK((size_t)json_object_get_string_len(member) == len &&
			   memcmp(json_object_get_string(member), body, len) == 0);
	json_object_put(json);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jb_gateway_event event;
	char why[256] = "";
	char *text = fuzz_all(data, size);

	int status = jb_gateway_read(text, size, &event, why, sizeof(why));
	FUZZ_CHECK(status == 0 || status == -EINVAL || (status >= 400 && why[0]));
	if (status == 0) {
		check_call(&event);
		jb_gateway_clear(&event);
	}
	check_answer((const uint8_t *)text, size);
	free(text);
	return 0;
}
