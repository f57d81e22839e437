/* See conf_check_private.h: what goes through functions and workflows of AWS. */
#include <string.h>

#include "aws_post.h"
#include "conf_check_private.h"

static void check_endpoint(struct check *c, const char *endpoint, bool plain, enum jb_key key, const char *names)
{
	if (endpoint && strncmp(endpoint, "https://", 8) != 0 && !(plain && strncmp(endpoint, "http://", 7) == 0))
		jb_check_tell(c, jb_conf_line(&c->conf->lines, key), "%s", names);
}

void jb_check_workflow(struct check *c)
{
	const struct jb_conf *conf = c->conf;
	struct jb_arn arn;

	if (conf->workflow && !jb_arn_parse(conf->workflow, "states", "stateMachine", &arn))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_WORKFLOW),
			      "workflow is a state machine: arn:aws:states:REGION:ACCOUNT:stateMachine:NAME");
	if (conf->workflow && !conf->workflow_credentials)
		jb_check_tell(
			c, jb_conf_line(&conf->lines, JB_KEY_WORKFLOW),
			"a workflow wants workflow_credentials, a file with the broker's access key and secret (or "
			"imds, or container)");
	if (conf->issue_function && !jb_arn_parse_function(conf->issue_function, conf->issuer_region, &arn))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_ISSUE_FUNCTION),
			      "issue_function is a function's name, or arn:aws:lambda:REGION:ACCOUNT:function:NAME");
	if (conf->issue_workflow && !jb_arn_parse(conf->issue_workflow, "states", "stateMachine", &arn))
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_ISSUE_WORKFLOW),
			      "issue_workflow is a state machine: arn:aws:states:REGION:ACCOUNT:stateMachine:NAME");
	if ((conf->issue_function || conf->issue_workflow) && !conf->issuer_credentials)
		jb_check_tell(c, jb_conf_line(&conf->lines, JB_KEY_ISSUE_FUNCTION),
			      "issue_function and issue_workflow want issuer_credentials, a file with the broker's "
			      "access key and secret");
	check_endpoint(c, conf->workflow_endpoint, conf->workflow_plain_loopback, JB_KEY_WORKFLOW_ENDPOINT,
		       "workflow_endpoint is https://... (http:// to loopback wants workflow_plain_loopback = yes)");
	check_endpoint(c, conf->issue_endpoint, conf->issuer_plain_loopback, JB_KEY_ISSUE_ENDPOINT,
		       "issue_endpoint is https://... (http:// to loopback wants issuer_plain_loopback = yes)");
}
