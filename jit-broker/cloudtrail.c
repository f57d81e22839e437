/* See cloudtrail.h. zlib reads both kinds of file, and tells them apart by itself. */
#include "cloudtrail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "cleanup.h"
#include "clock.h"
#include "json.h"

#define FILE_MAX  (256U << 20) /* bytes, unpacked; CloudTrail's own are some MiB */
#define PIECE	  (1U << 16)
#define DEPTH_MAX 64

static void gz_closep(gzFile *file)
{
	if (*file)
		gzclose(*file);
}

static void tokener_freep(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

/* The next piece to the parser: 1 when there may be more, 0 at the end, -1 with why. */
static int feed(gzFile file, struct json_tokener *tokener, json_object **ret, char *why, size_t why_size)
{
	char piece[PIECE];
	int trouble, n = gzread(file, piece, sizeof(piece));

	if (n < 0) {
		snprintf(why, why_size, "%s", gzerror(file, &trouble));
		return -1;
	}
	if (n == 0 && !*ret && json_tokener_get_error(tokener) == json_tokener_continue) {
		snprintf(why, why_size, "it is cut off");
		return -1;
	}
	int at = 0;
	if (n && !*ret) {
		*ret = json_tokener_parse_ex(tokener, piece, n);
		at = *ret ? (int)json_tokener_get_parse_end(tokener) : n;
	}
	while (at < n && strchr(" \t\r\n", piece[at]))
		at++;
	if (at < n) {
		snprintf(why, why_size, "something follows the document");
		return -1;
	}
	if (*ret || json_tokener_get_error(tokener) == json_tokener_continue)
		return n > 0;
	snprintf(why, why_size, "it is no JSON: %s", json_tokener_error_desc(json_tokener_get_error(tokener)));
	return -1;
}

/* A pipe would be waited for, and a device has no end: who calls has the names from a folder's listing. */
static gzFile open_log(const char *path, char *why, size_t why_size)
{
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	gzFile file = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		snprintf(why, why_size, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		snprintf(why, why_size, "it is no regular file");
	else if (!(file = gzdopen(fd, "rb")))
		snprintf(why, why_size, "%s", strerror(ENOMEM));
	else
		jit_take_fd(&fd);
	return file;
}

static json_object *parse(const char *path, char *why, size_t why_size)
{
	JIT_CLEANUP(gz_closep) gzFile file = open_log(path, why, why_size);
	JIT_CLEANUP(tokener_freep) struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	json_object *document = NULL;
	size_t read = 0;
	int r = 1;

	if (!file)
		return NULL;
	if (!tokener) {
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return NULL;
	}
	for (; r == 1 && read <= FILE_MAX; read += PIECE)
		r = feed(file, tokener, &document, why, why_size);
	if (r == 0)
		return document;
	if (r == 1)
		snprintf(why, why_size, "it is over %u MiB", FILE_MAX >> 20);
	json_object_put(document);
	return NULL;
}

static json_object *member(json_object *of, const char *name)
{
	json_object *value = NULL;

	json_object_object_get_ex(of, name, &value); /* false, and NULL, where `of` is no object */
	return value;
}

static const char *text_of(json_object *of, const char *name)
{
	json_object *value = member(of, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* [{"key":"jit:requestId","value":"…"}] */
static const char *tag_of(json_object *tags, const char *key)
{
	if (!json_object_is_type(tags, json_type_array))
		return "";
	for (size_t i = 0; i < json_object_array_length(tags); i++) {
		json_object *tag = json_object_array_get_idx(tags, i);

		if (strcmp(text_of(tag, "key"), key) == 0)
			return text_of(tag, "value");
	}
	return "";
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool read_event(json_object *record, struct jb_trail_event *ret)
{
	json_object *asked = member(record, "requestParameters"), *answer = member(record, "responseElements");
	const char *name = text_of(record, "eventName");
	bool assumes = begins(name, "AssumeRole") && begins(text_of(record, "eventSource"), "sts.");

	*ret = (struct jb_trail_event){
		.name = name,
		.source_address = text_of(record, "sourceIPAddress"),
		.error = text_of(record, "errorCode"),
		.used_id = text_of(member(record, "userIdentity"), "accessKeyId"),
		.role_arn = assumes ? text_of(asked, "roleArn") : "",
		.session_name = assumes ? text_of(asked, "roleSessionName") : "",
		.source_identity = assumes ? text_of(asked, "sourceIdentity") : "",
		.request_id = assumes ? tag_of(member(asked, "tags"), "jit:requestId") : "",
		.given_id = assumes ? text_of(member(answer, "credentials"), "accessKeyId") : "",
	};
	return *name && jit_iso_parse(text_of(record, "eventTime"), &ret->at) == 0;
}

int jb_trail_read(const char *path, int (*each)(void *arg, const struct jb_trail_event *event), void *arg, char *why,
		  size_t why_size)
{
	char reason[256] = "";
	JIT_JSON json_object *document = parse(path, reason, sizeof(reason));
	json_object *records = member(document, "Records");
	struct jb_trail_event event;

	if (!json_object_is_type(records, json_type_array)) {
		snprintf(why, why_size, "%s is no log file of CloudTrail's: %s", path,
			 *reason ? reason : "it has no Records");
		return -1;
	}
	for (size_t i = 0; i < json_object_array_length(records); i++) {
		if (!read_event(json_object_array_get_idx(records, i), &event)) {
			snprintf(why, why_size,
				 "%s is no log file of CloudTrail's: event %zu has no eventName or eventTime", path,
				 i + 1);
			return -1;
		}
		int went = each(arg, &event);
		if (went)
			return went;
	}
	return 0;
}
