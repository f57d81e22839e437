/*
 * The credentials of the role that this process runs under, by the words that the
 * configuration has for them: "imds", the EC2 instance's; "container", those of an
 * ECS task or an EKS pod; "imds:http://127.0.0.1:PORT" for tests. One fetcher for each
 * word, whoever uses it (common/awsrole.h).
 */
#ifndef JB_AWS_ROLE_H
#define JB_AWS_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#include "aws_keys.h"
#include "conf.h"

struct event_base;

bool jb_aws_role_is_word(const char *text);
/* Could it be one? False with a sentence in why. No I/O. */
bool jb_aws_role_check(const char *word, char *why, size_t why_size);

/*
 * For a program that serves: from here on they are fetched on its loop, ahead of their end, and nobody waits for them.
 * Fetches those that the configuration names and waits for the first, a few seconds at most. Without this, as in a
 * command, whoever reads them first waits.
 */
void jb_aws_role_serve(struct event_base *base, const struct jb_conf *conf);
/* Before that loop is freed. */
void jb_aws_role_stop(void);

/* Those that are good now. The caller wipes *ret. 0, or -1 with a phrase in why. */
int jb_aws_role_read(const char *word, struct jb_aws_keys *ret, char *why, size_t why_size);

#endif
