/*
 * A client of DynamoDB's JSON protocol
 * (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html):
 * one operation at a time on one kept connection, signed by libcurl. A call waits
 * for its answer: a few milliseconds within a region, and never longer than its
 * deadline. What an operation means is its caller's.
 */
#ifndef JB_DYNAMO_H
#define JB_DYNAMO_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct jb_dynamo;

struct jb_dynamo_options {
	const char *region;	 /* for the signature, and the endpoint where none is given */
	const char *endpoint;	 /* "https://host[:port]"; NULL: the region's own */
	const char *credentials; /* file of the broker's keys (aws_keys.h) */
	const char *ca;		 /* PEM; NULL: the system's */
	bool plain_loopback;	 /* allow http:// to loopback */
};

/* The strings are copied. NULL with a sentence in why. */
struct jb_dynamo *jb_dynamo_new(const struct jb_dynamo_options *options, char *why, size_t why_size);
void jb_dynamo_free(struct jb_dynamo *dynamo); /* NULL is fine */

/*
 * One operation ("UpdateItem"), tried again where that may help. `body` stays the
 * caller's. 0 and the answer, which the caller puts; -ECANCELED: the condition does
 * not hold; -ENOENT: there is no such table; -EIO with jb_dynamo_error.
 */
int jb_dynamo_call(struct jb_dynamo *dynamo, const char *operation, struct json_object *body, struct json_object **ret);

/* Of the last call: was one of its tries sent without an answer, so that it may have been carried out all the same? */
bool jb_dynamo_unsure(const struct jb_dynamo *dynamo);
/* Why the last call failed with -EIO, as a phrase. */
const char *jb_dynamo_error(const struct jb_dynamo *dynamo);

#endif
