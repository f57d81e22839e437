/*
 * The broker's own AWS credentials, and where they come from: the [default] profile
 * of a shared credentials file
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html); the role of the
 * instance or container (aws_role.h); or, in AWS Lambda alone, the function's own,
 * which Lambda puts into the environment. The file is not read with libinih: a session
 * token is longer than the lines it takes.
 */
#ifndef JB_AWS_KEYS_H
#define JB_AWS_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct jb_aws_keys {
	char access_key_id[129];
	char secret_access_key[129];
	char session_token[4097]; /* "" when there is none */
};

#define JB_AWS_ENVIRONMENT "environment" /* instead of a file: those that Lambda gives the function */

/*
 * `from` is a file's path, read afresh, so that rotated keys are found, or one of the words. The caller wipes *ret. 0,
 * or -1 with a sentence in why.
 */
int jb_aws_keys_read(const char *from, struct jb_aws_keys *ret, char *why, size_t why_size);

/* Of `from`, where the configuration is checked: a file can be read there, and a word is right. */
bool jb_aws_keys_check(const char *from, char *why, size_t why_size);

#endif
