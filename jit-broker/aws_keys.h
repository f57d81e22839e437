/*
 * The broker's own AWS credentials: the [default] profile of a shared
 * credentials file
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html), or, in AWS
 * Lambda alone, the function's own, which Lambda puts into the environment. The file
 * is not read with libinih: a session token is longer than the lines it takes.
 */
#ifndef JB_AWS_KEYS_H
#define JB_AWS_KEYS_H

#include <stddef.h>

struct jb_aws_keys {
	char access_key_id[129];
	char secret_access_key[129];
	char session_token[4097]; /* "" when there is none */
};

#define JB_AWS_ENVIRONMENT "environment" /* instead of a file: those that Lambda gives the function */

/* Reads the file afresh, so that rotated keys are found. The caller wipes *ret. 0, or -1 with a sentence in why. */
int jb_aws_keys_read(const char *path, struct jb_aws_keys *ret, char *why, size_t why_size);

#endif
