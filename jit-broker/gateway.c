/* See gateway.h. */
#include "gateway.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "filing.h"
#include "form.h"
#include "text.h"

/* The member of that type, or NULL. */
static struct json_object *member(struct json_object *json, const char *name, enum json_type type)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(json, name, &value) && json_object_is_type(value, type) ? value : NULL;
}

/* The text of a member that is one, without NUL; else NULL. */
static const char *text_of(struct json_object *json, const char *name)
{
	struct json_object *value = member(json, name, json_type_string);
	const char *text = value ? json_object_get_string(value) : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static int refuse(int status, const char *sentence, char *why, size_t why_size)
{
	snprintf(why, why_size, "%s", sentence);
	return status;
}

/* A header whose value is a text, or an array of them: once for each. */
static int add_header(struct jb_http_head *head, const char *name, struct json_object *value, const char **why)
{
	size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 1;
	int status = 0;

	for (size_t i = 0; status == 0 && i < count; i++) {
		struct json_object *one =
			json_object_is_type(value, json_type_array) ? json_object_array_get_idx(value, i) : value;
		const char *text = json_object_is_type(one, json_type_string) ? json_object_get_string(one) : NULL;

		*why = "A header is not a text.";
		if (!text || strlen(text) != (size_t)json_object_get_string_len(one))
			return 400;
		status = jb_http_add(head, name, text, why);
	}
	return status;
}

/* Those of a REST API are there twice: once with each name's last value, once with all of them. */
static int read_headers(struct jb_gateway_event *event, const char **why)
{
	struct json_object *headers = member(event->json, "multiValueHeaders", json_type_object);

	if (!headers)
		headers = member(event->json, "headers", json_type_object);
	if (!headers)
		return 0;
	json_object_object_foreach(headers, name, value)
	{
		int status = add_header(&event->head, name, value, why);
		if (status)
			return status;
	}
	return 0;
}

/* The gateway may know the key from elsewhere (an authorizer); one that it does not know itself is no caller's to add.
 */
static int read_api_key(struct jb_gateway_event *event, struct json_object *identity, const char **why)
{
	const char *known = text_of(identity, "apiKey"), *sent = jb_http_header(&event->head, "x-api-key");

	if (!known || !*known)
		return 0;
	if (!sent)
		return jb_http_add(&event->head, "x-api-key", known, why);
	*why = "The API key is not the one that the gateway knows the caller by.";
	return strcmp(known, sent) == 0 ? 0 : 400;
}

/* Appends "name=value", encoded. False: it would be longer than a request's head may be. */
static bool add_parameter(char *query, size_t *len, const char *name, const char *value)
{
	const char *const part[] = {name, value};

	for (int i = 0; i < 2; i++) {
		if (*len + 2 >= JB_HTTP_HEAD_MAX)
			return false;
		if (i == 1)
			query[(*len)++] = '=';
		else if (*len)
			query[(*len)++] = '&';
		if (!jb_form_encode(part[i], query + *len, JB_HTTP_HEAD_MAX - *len))
			return false;
		*len += strlen(query + *len);
	}
	return true;
}

/* A REST API hands the parameters over decoded, each value by itself or all of a name in an array. */
static bool write_query(struct json_object *parameters, char *query)
{
	size_t len = 0;

	json_object_object_foreach(parameters, name, values)
	{
		bool many = json_object_is_type(values, json_type_array);
		size_t count = many ? json_object_array_length(values) : 1;

		for (size_t i = 0; i < count; i++) {
			const char *value =
				json_object_get_string(many ? json_object_array_get_idx(values, i) : values);
			if (!value || !add_parameter(query, &len, name, value))
				return false;
		}
	}
	return true;
}

static int read_query(struct jb_gateway_event *event, const char **why)
{
	struct json_object *parameters = member(event->json, "multiValueQueryStringParameters", json_type_object);

	*why = "The query is too long.";
	if (!parameters)
		parameters = member(event->json, "queryStringParameters", json_type_object);
	if (!(event->query = calloc(1, JB_HTTP_HEAD_MAX)))
		return -ENOMEM;
	return parameters && !write_query(parameters, event->query) ? 400 : 0;
}

/* HTTP APIs keep the stage in the path; "/prod" and "/prod/changes" under stage "prod" are "" and "/changes". */
static const char *without_stage(const char *path, const char *stage)
{
	size_t len = stage ? strlen(stage) : 0;

	if (len && path[0] == '/' && strncmp(path + 1, stage, len) == 0 && path[len + 1] == '/')
		return path + len + 1;
	return path;
}

static int read_rest(struct jb_gateway_event *event, struct json_object *context, char *why, size_t why_size)
{
	struct json_object *identity = member(context, "identity", json_type_object);
	const char *method = text_of(event->json, "httpMethod"), *path = text_of(event->json, "path"), *sentence = "";
	const char *version = text_of(event->json, "version"), *address = identity ? text_of(identity, "sourceIp") : "";

	if (!identity || !method || !path)
		return -EINVAL;
	event->kind = JB_GATEWAY_REST;
	if (version)
		path = without_stage(path, text_of(context, "stage"));
	if (!address || !jb_address_parse(address, &event->peer))
		event->peer = (struct jb_address){0};
	int status = read_query(event, &sentence);
	if (status == 0)
		status = jb_http_line(&event->head, method, path, event->query, &sentence);
	if (status == 0)
		status = read_headers(event, &sentence);
	if (status == 0)
		status = read_api_key(event, identity, &sentence);
	return status ? refuse(status, sentence, why, why_size) : 0;
}

static int read_http(struct jb_gateway_event *event, struct json_object *context, char *why, size_t why_size)
{
	struct json_object *http = member(context, "http", json_type_object);
	const char *method = http ? text_of(http, "method") : NULL, *path = text_of(event->json, "rawPath");
	const char *query = text_of(event->json, "rawQueryString"), *address = http ? text_of(http, "sourceIp") : NULL;
	const char *sentence = "";

	if (!method || !path)
		return -EINVAL;
	event->kind = JB_GATEWAY_HTTP;
	if (!address || !jb_address_parse(address, &event->peer))
		event->peer = (struct jb_address){0};
	int status = jb_http_line(&event->head, method, without_stage(path, text_of(context, "stage")),
				  query ? query : "", &sentence);
	if (status == 0)
		status = read_headers(event, &sentence);
	return status ? refuse(status, sentence, why, why_size) : 0;
}

/* What base64 stands for (RFC 4648 section 4), into the text's own place. False: it is none. */
static bool decode_body(char *body, size_t *len)
{
	size_t text = *len;

	while (text && *len - text < 2 && body[text - 1] == '=')
		text--;
	/* Our decoder knows the alphabet of URLs, in which neither of the other's two characters stands. */
	for (size_t i = 0; i < text; i++) {
		if (body[i] == '-' || body[i] == '_')
			return false;
		body[i] = body[i] == '+' ? '-' : body[i] == '/' ? '_' : body[i];
	}
	return *len % 4 == 0 && jit_b64_decode(body, text, (uint8_t *)body, *len, len) == 0;
}

static int read_body(struct jb_gateway_event *event, char *why, size_t why_size)
{
	struct json_object *body = member(event->json, "body", json_type_string);
	struct json_object *encoded = member(event->json, "isBase64Encoded", json_type_boolean);
	size_t len = body ? (size_t)json_object_get_string_len(body) : 0;
	bool decode = encoded && json_object_get_boolean(encoded);

	if (len > JB_HTTP_BODY_MAX / 3 * 4 + 8)
		return refuse(413, "The body is over 64 KiB.", why, why_size);
	if (!(event->body = malloc(len + 1)))
		return -ENOMEM;
	event->body_size = len;
	memcpy(event->body, body ? json_object_get_string(body) : "", len);
	event->head.content_length = len;
	if (decode && !decode_body(event->body, &event->head.content_length))
		return refuse(400, "The event's body is not base64.", why, why_size);
	event->body[event->head.content_length] = '\0';
	if (event->head.content_length > JB_HTTP_BODY_MAX)
		return refuse(413, "The body is over 64 KiB.", why, why_size);
	return 0;
}

static int read_direct(struct jb_gateway_event *event, const char *text, size_t len, char *why, size_t why_size)
{
	const char *sentence;

	event->kind = JB_GATEWAY_DIRECT;
	if (len > JB_HTTP_BODY_MAX)
		return refuse(413, "The event is over 64 KiB.", why, why_size);
	if (!(event->body = malloc(len + 1)))
		return -ENOMEM;
	event->body_size = len;
	memcpy(event->body, text, len);
	event->body[len] = '\0';
	event->head.content_length = len;
	return jb_http_line(&event->head, "POST", "/request-access", "", &sentence);
}

static int read_event(struct jb_gateway_event *event, const char *text, size_t len, char *why, size_t why_size)
{
	struct json_object *context = member(event->json, "requestContext", json_type_object);
	const char *version = text_of(event->json, "version"), *sentence = "";

	/* A filing at the top level, and nothing that another service (a queue, a load balancer) sends. */
	if (!context)
		return member(event->json, "requester", json_type_string) ? read_direct(event, text, len, why, why_size)
									  : -EINVAL;
	int status = version && strcmp(version, "2.0") == 0 ? read_http(event, context, why, why_size)
							    : read_rest(event, context, why, why_size);
	if (status == 0 && (status = jb_http_check(&event->head, &sentence)))
		return refuse(status, sentence, why, why_size);
	return status ? status : read_body(event, why, why_size);
}

/* json-c frees its texts as they are. */
static void wipe(struct json_object *json)
{
	if (json_object_is_type(json, json_type_string)) {
		explicit_bzero((char *)json_object_get_string(json), (size_t)json_object_get_string_len(json));
	} else if (json_object_is_type(json, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(json); i++)
			wipe(json_object_array_get_idx(json, i));
	} else if (json_object_is_type(json, json_type_object)) {
		json_object_object_foreach(json, name, value)
		{
			(void)name;
			wipe(value);
		}
	}
}

int jb_gateway_read(const char *text, size_t len, struct jb_gateway_event *ret, char *why, size_t why_size)
{
	struct jb_gateway_event event = {.json = jb_json_object(text, len)};

	if (!event.json)
		return -EINVAL;
	int status = read_event(&event, text, len, why, why_size);
	if (status)
		jb_gateway_clear(&event);
	else
		*ret = event;
	return status;
}

void jb_gateway_clear(struct jb_gateway_event *event)
{
	if (event->body)
		explicit_bzero(event->body, event->body_size);
	if (event->query)
		explicit_bzero(event->query, strlen(event->query));
	wipe(event->json);
	json_object_put(event->json);
	free(event->body);
	free(event->query);
	*event = (struct jb_gateway_event){0};
}

static char *put(char *at, const char *plain)
{
	while (*plain)
		*at++ = *plain++;
	return at;
}

/* Text as JSON has it within its quotes; at most six bytes for one. */
static char *put_text(char *at, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (c < 0x20) {
			at = put(at, "\\u00");
			*at++ = hex[c >> 4];
			*at++ = hex[c & 15];
		} else {
			*at++ = (char)c;
		}
	}
	return at;
}

/* "Name: value" lines as the members of an object. */
static char *put_headers(char *at, const char *headers)
{
	const char *comma = "";

	for (const char *line = headers; *line; line += strcspn(line, "\n") + 1) {
		size_t name = strcspn(line, ":"), blank = name + 1 + strspn(line + name + 1, " ");

		at = put(at, comma);
		*at++ = '"';
		at = put_text(at, line, name);
		at = put(at, "\":\"");
		at = put_text(at, line + blank, strcspn(line + blank, "\r\n"));
		*at++ = '"';
		comma = ",";
	}
	return at;
}

/* By hand, not by json-c: credentials in clear may stand in the body, and its buffers are never wiped. */
char *jb_gateway_answer(int status, const char *headers, const char *body, size_t len, size_t *ret_len)
{
	bool is_text = jit_utf8_valid(body, len);
	size_t size = 128 + strlen(headers) * 6 + len * 6;
	char *text = malloc(size), *at = text;

	if (!text)
		return NULL;
	at += snprintf(at, 64, "{\"statusCode\":%d,\"headers\":{", status);
	at = put_headers(at, headers);
	at = put(at, "},\"body\":\"");
	if (is_text)
		at = put_text(at, body, len);
	else
		at += EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)body, (int)len);
	at = put(at, is_text ? "\",\"isBase64Encoded\":false}" : "\",\"isBase64Encoded\":true}");
	*at = '\0';
	*ret_len = (size_t)(at - text);
	return text;
}
