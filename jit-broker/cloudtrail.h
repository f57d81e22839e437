/*
 * CloudTrail's log files: {"Records":[…]}, plain or gzipped
 * (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html).
 */
#ifndef JB_CLOUDTRAIL_H
#define JB_CLOUDTRAIL_H

#include <stdint.h>
#include <stdlib.h>

/* What of an event is joined. Texts live as long as the call that hands it out; "" where the event does not say. */
struct jb_trail_event {
	int64_t at;	  /* eventTime */
	const char *name; /* eventName */
	const char *source_address;
	const char *error;   /* errorCode: AWS refused it */
	const char *used_id; /* access key id it was signed with */
	/* of an AssumeRole… alone, else "" */
	const char *role_arn, *session_name, *source_identity;
	const char *request_id; /* session tag jit:requestId */
	const char *given_id;	/* access key id that it gave */
};

/* Every event of the file, in its order. 0, or -1 with a sentence in why (what was handed on before counts for nothing
 * then); what `each` said otherwise, which ends it. */
int jb_trail_read(const char *path, int (*each)(void *arg, const struct jb_trail_event *event), void *arg, char *why,
		  size_t why_size);

#endif
