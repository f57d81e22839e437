/* jit-broker.conf: what is right is read as it says, what is wrong is told with its line, all of it in one run. */
#include "broker.h"

#define SMALL                                                                                                          \
	"[broker]\n"                                                                                                   \
	"tls = off\n"                                                                                                  \
	"store = sqlite:/var/lib/jit-broker/broker.db\n"                                                               \
	"issuer = demo\n"                                                                                              \
	"[role r]\n"                                                                                                   \
	"services = sudo\n"                                                                                            \
	"requesters = op1\n"                                                                                           \
	"hosts = *\n"                                                                                                  \
	"targets = root\n"                                                                                             \
	"approvers = appr1\n"                                                                                          \
	"[person appr1]\n" /* line 11 */

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/jit-broker-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void collect_error(void *arg, const char *message)
{
	char *all = arg;
	size_t len = strlen(all);

	snprintf(all + len, 8192 - len, "%s\n", message);
}

static struct jb_conf *read_text(const char *text, char *errors)
{
	char path[128];

	errors[0] = '\0';
	write_file(dir, "jit-broker.conf", text, 0600);
	snprintf(path, sizeof(path), "%s/jit-broker.conf", dir);
	return jb_conf_read(path, collect_error, errors);
}

static void defaults_are_those_of_the_documentation(void **state)
{
	char errors[8192];
	struct jb_conf *conf = read_text(SMALL, errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_non_null(conf);
	assert_string_equal(conf->listen_address, "127.0.0.1");
	assert_int_equal(conf->listen_port, 8443);
	assert_false(conf->tls);
	assert_string_equal(conf->issuer_region, "us-east-1");
	assert_int_equal(conf->retention, 90 * 86400);
	assert_int_equal(conf->waiting_per_host, 200);
	assert_int_equal(conf->waiting_per_requester, 20);
	const struct jb_usage_plan *plan = jb_conf_plan_of(conf, "web-1");
	assert_string_equal(plan->name, JB_PLAN_DEFAULT);
	assert_int_equal(plan->terms.rate, 200);
	assert_int_equal(plan->terms.burst, 1000);
	assert_int_equal(plan->terms.quota, 0);
	assert_int_equal(plan->pending, 0);
	const struct jb_role *role = jb_conf_role(conf, "r");
	assert_non_null(role);
	assert_int_equal(role->lines.section, 5);
	assert_int_equal(role->max_duration, 3600);
	assert_int_equal(role->credential_lifetime, 900);
	assert_int_equal(role->pending, 300);
	assert_int_equal(role->use_within, 600);
	assert_int_equal(role->approvals, 1);
	assert_int_equal(role->scope, JB_SCOPE_SESSION);
	assert_int_equal(role->on_expiry, JB_EXPIRY_WARN);
	assert_int_equal(role->auto_approve, JB_AUTO_NEVER);
	assert_true(role->code_required);
	assert_true(role->reason_required);
	assert_false(role->unsealed_allowed);
	assert_false(role->chaining_allowed);
	assert_null(role->arn);
	assert_null(jb_conf_role(conf, "x"));
	assert_ptr_equal(jb_conf_person_by_unix(conf, "appr1"), jb_conf_person(conf, "appr1"));
	jb_conf_free(conf);
}

static void every_key_is_read(void **state)
{
	char errors[8192];
	struct jb_conf *conf = read_text("[broker]\n"
					 "listen = [::1]:9000\ntls = on\ntls_certificate = /c.pem\ntls_key = /k.pem\n"
					 "tls_client_ca = /hosts.pem\n"
					 "store = sqlite:/b.db\nissuer = sts:http://127.0.0.1:8000\n"
					 "issuer_region = eu-west-1\nissuer_credentials = /aws\nissuer_ca = /ca.pem\n"
					 "issuer_plain_loopback = yes\nretention = 30d\nwaiting_per_host = 7\n"
					 "waiting_per_requester = 2\n"
					 "[role r]\nregion = eu-west-1\narn = arn:aws:iam:::role/x\n"
					 "session_policy = {\"Version\":\"2012-10-17\",\n"
					 "session_policy = \"Statement\":{}}\n"
					 "external_id = ex\nservices = sudo\nservices = su sshd\nrequesters = @g op2\n"
					 "hosts = web-* bastion-?\ntargets = self *\napprovers = @g appr2\n"
					 "approvals = 2\nmax_duration = 4h\ncredential_lifetime = 30s\npending = 2m\n"
					 "use_within = 60\nscope = user\non_expiry = end\n"
					 "auto_approve = simulated\ncode = off\nreason = optional\nunsealed = allow\n"
					 "hours = daily 08:00-18:00\nhours = Sat 20:00-21:00 Asia/Tokyo\n"
					 "chaining = allow\nticket = ^INC-[0-9]+$\n"
					 "[group g]\nmembers = appr1\n[person appr1]\nunix = appr1 a1\n[person appr2]\n"
					 "oidc = https://login.example 1|a=b\n"
					 "oidc = https://login.example email=a2@example.com\n"
					 "[person deploy]\nshared = yes\n[host ctl]\nmay_request_for = web-*\n"
					 "source = 10.0.0.0/8 2001:db8::/32\n"
					 "usage_plan = busy\nclient_certificate = ctl.example\n"
					 "[usage_plan busy]\nrate = 3\nburst = 4\nquota = 5\npending = 6\n"
					 "[usage_plan default]\nrate = 7\n",
					 errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_non_null(conf);
	assert_string_equal(conf->listen_address, "::1");
	assert_int_equal(conf->listen_port, 9000);
	assert_true(conf->tls && conf->issuer_plain_loopback);
	assert_string_equal(conf->issuer_credentials, "/aws");
	assert_int_equal(conf->retention, 30 * 86400);
	const struct jb_role *role = jb_conf_role(conf, "r");
	assert_string_equal(role->session_policy, "{\"Version\":\"2012-10-17\",\"Statement\":{}}");
	assert_int_equal(role->services.count, 3);
	assert_int_equal(role->credential_lifetime, 30);
	assert_int_equal(role->use_within, 60);
	assert_int_equal(role->scope, JB_SCOPE_USER);
	assert_int_equal(role->on_expiry, JB_EXPIRY_END);
	assert_int_equal(role->auto_approve, JB_AUTO_SIMULATED);
	assert_false(role->code_required || role->reason_required);
	assert_true(role->unsealed_allowed && role->chaining_allowed);
	assert_string_equal(role->ticket, "^INC-[0-9]+$");
	assert_true(jb_conf_person(conf, "deploy")->shared);
	assert_string_equal(jb_conf_person_by_unix(conf, "a1")->name, "appr1");
	assert_null(jb_conf_person_by_unix(conf, "a"));
	assert_null(jb_conf_person_by_unix(conf, NULL));
	assert_non_null(jb_conf_host(conf, "ctl"));
	assert_string_equal(jb_conf_person_by_oidc(conf, "https://login.example", "sub", "1|a=b")->name, "appr2");
	assert_string_equal(jb_conf_person_by_oidc(conf, "https://login.example", "email", "a2@example.com")->name,
			    "appr2");
	assert_null(jb_conf_person_by_oidc(conf, "https://login.example", "sub", "a2@example.com"));
	assert_int_equal(jb_conf_host(conf, "ctl")->source.count, 2);
	assert_string_equal(conf->tls_client_ca, "/hosts.pem");
	assert_string_equal(jb_conf_host(conf, "ctl")->client_certificate, "ctl.example");
	const struct jb_usage_plan *plan = jb_conf_plan_of(conf, "ctl");
	assert_int_equal(plan->terms.rate, 3);
	assert_int_equal(plan->terms.burst, 4);
	assert_int_equal(plan->terms.quota, 5);
	assert_int_equal(plan->pending, 6);
	assert_int_equal(jb_conf_plan_of(conf, "web-1")->terms.rate, 7);
	assert_int_equal(jb_conf_plan_of(conf, "web-1")->terms.burst, 1000);
	assert_int_equal(role->hours.count, 2);
	assert_int_equal(role->hours.window[1].line, jb_conf_line(&role->lines, JB_KEY_HOURS) + 1);
	assert_true(jb_conf_lists(conf, &role->requesters, "appr1"));
	assert_true(jb_conf_lists(conf, &role->requesters, "op2"));
	assert_false(jb_conf_lists(conf, &role->requesters, "@g"));
	assert_false(jb_conf_lists(conf, &role->requesters, "g"));
	jb_conf_free(conf);
}

/* What is added to the small configuration (from line 12 on), and what must be told about it. */
static void every_error_is_told_with_its_line(void **state)
{
	static const struct {
		const char *added, *told;
	} cases[] = {
		{"[broker]\n", ":12: [broker] stands here a second time"},
		{"[role r]\n", ":12: this section stands here a second time"},
		{"[rule x]\n", ":12: this section is none of"},
		{"[role]\n", ":12: this section is none of"},
		{"[role a b]\n", ":12: a section's name is made of"},
		{"[role 01234567890123456789012345678901234567890123456789]\n", ":12: this section's name is longer"},
		{"unix = a\nunix = b\n", ""}, /* a list may go on */
		{"colour = red\n", ":12: [person] has no key colour"},
		{"shared = maybe\n", ":12: shared is one of: no yes"},
		{"shared = no\nshared = no\n", ":13: shared stands in line 12 already"},
		{"shared\n", ":12: this is neither"},
		{"shared =\n", ":12: shared has no value"},
		{"[person policy]\n", ":12: policy is what the audit chain calls the broker's own decisions"},
		{"[person timer]\n", ":12: timer is what"},
		{"[person issuer]\n", ":12: issuer is what"},
		{"[person oidc]\n", ":12: oidc is what"},
		{"[person workflow]\n", ":12: workflow is what"},
		{"[person admin]\n", ":12: admin is what"},
		{"[person b]\nunix = appr1\n", ":13: Unix name appr1 belongs to person appr1 already"},
		{"unix = a # b\n", ":12: unix has a comment behind its value"},
		{"unix = a ; b\n", ""},
		{"[group g]\n", ":12: group g wants members"},
		{"[group g]\nmembers = @h\n", ":13: group g has @h as a member"},
		{"[host h]\n", ":12: host h wants may_request_for, source, usage_plan or client_certificate"},
		{"[host h]\nsource = 10.0.0.0/8\nsource = ::1\n", ""},
		{"[host h]\nusage_plan = p\n[usage_plan p]\n", ""},
		{"[host h]\nusage_plan = default\n", ""},
		{"[host h]\nusage_plan = p\n", ":13: usage_plan names p, and there is no [usage_plan p]"},
		{"[usage_plan p]\nrate = 0\n", ":13: rate is a number from 1 to 1000000"},
		{"[usage_plan p]\nburst = -1\n", ":13: burst is a number from 1 to 1000000"},
		{"[usage_plan p]\nquota = 0\n", ":13: quota is a number from 1 to 1000000000"},
		{"[usage_plan p]\npending = 0\n", ":13: pending is a number from 1 to 100000"},
		{"[host h]\nclient_certificate = h.example\n",
		 ":13: client_certificate wants tls_client_ca in [broker]"},
		{"[host h]\nclient_certificate = *.example\n", ":13: client_certificate is the name in that host's"},
		{"[host h]\nclient_certificate = .example\n", ":13: client_certificate is the name in that host's"},
		{"[host h]\nsource = 10.0.0.1/8\n", ":13: source names addresses"},
		{"[host h]\nsource = 10.0.0.0/8 # us\n", ":13: source has a comment behind its value"},
		{"[person b]\nunix = b2\n[person c]\nunix = b\n",
		 ":15: Unix name b is the name of [person b] (line 12); one name is one person's"},
#define LOGIN "oidc = https://login.example op1\n"
		{LOGIN "oidc = https://login.example email=a@example.com\n", ""},
		{LOGIN "[person b]\n" LOGIN, ":14: sub op1 of https://login.example is person appr1 already"},
		{LOGIN "[person b]\noidc = https://login.example sub=op1\n", ":14: sub op1 of https://login.example"},
		{LOGIN "[person b]\noidc = https://other.example op1\n", ""},
		{LOGIN "[person b]\noidc = https://login.example name=op1\n", ""},
		{"oidc = https://login.example\n", ":12: oidc is an issuer and a subject"},
		{"oidc = http://login.example op1\n", ":12: oidc is an issuer and a subject"},
		{"oidc = https:// op1\n", ":12: oidc is an issuer and a subject"},
		{"oidc = https://login.example email=\n", ":12: oidc is an issuer and a subject"},
		{"oidc = https://login.example op1 op2\n", ":12: oidc is an issuer and a subject"},
		{"[person d]\nshared = yes\n" LOGIN, ":14: d is a shared account; only persons sign in"},
#define ROLE "[role s]\nservices = sudo\nrequesters = op1\nhosts = *\ntargets = root\n" /* lines 12 to 16 */
		{ROLE, ":12: nobody can approve role s"},
		{ROLE "auto_approve = simulated\n", ""},
		{ROLE "auto_approve = hours daily 09:00-17:00\n", ""},
		{ROLE "auto_approve = hours daily 09:00-17:00\nauto_approve = hours Sat 18:00-19:00 Asia/Tokyo\n", ""},
		{ROLE "auto_approve = hours daily 09:00-17:00\nauto_approve = never\n", ":18: auto_approve is never,"},
		{ROLE "auto_approve = simulated\nauto_approve = hours daily 09:00-17:00\n", ":18: auto_approve is"},
		{ROLE "auto_approve = never\nauto_approve = never\n", ":18: auto_approve is never, simulated, or"},
		{ROLE "auto_approve = daily 09:00-17:00\n", ":17: auto_approve is never, simulated, or"},
		{ROLE "auto_approve = hours 09:00-17:00\n", ":17: hours are days, times"},
		{ROLE "auto_approve = never\n", ":12: nobody can approve role s: it wants approvers"},
		{ROLE "approvers = appr1\nhours = Mon-Fri 08:00-18:00 Europe/Berlin\nhours = Sat 10:00-12:00\n", ""},
		{ROLE "approvers = appr1\nhours = Mon-Fri\n", ":18: hours are days, times"},
		{ROLE "approvers = appr1\nhours = daily 08:00-18:00 Mars/Base\n", ":18: time zone Mars/Base cannot"},
		{ROLE "approvers = @none\n", ":17: approvers names @none, and there is no [group none]"},
		{ROLE "approvers = op1\n", ":17: op1 is to approve but is no declared person"},
		{ROLE "approvers = @g\n[group g]\nmembers = appr1 op1\n", ":19: op1 is to approve but is no declared"},
		{ROLE "approvers = d\n[person d]\nshared = yes\n", ":17: d is to approve but is a shared account"},
		{ROLE "approvers = appr1\napprovals = 2\n", ":18: role s wants 2 approvals, and 1 different"},
		{ROLE "approvers = appr1 appr1\napprovals = 2\n", ":18: role s wants 2 approvals, and 1 different"},
		{ROLE "approvers = appr1\n  approvals = 2\n", ":18: this line begins with a blank"},
		{ROLE "approvers = appr1\n\tappr1\n", ":18: this line begins with a blank"},
		{ROLE "approvers = appr1\n  # approvals = 2\n \t\n  ; x\n", ""},
		{ROLE "approvers = appr1\napprovals = 0\n", ":18: approvals is a number from 1 to 10"},
		{ROLE "approvers = appr1\nmax_duration = 13h\n", ":18: max_duration is a time from 1 s to 12 h"},
		{ROLE "approvers = appr1\nmax_duration = -1\n", ":18: max_duration is a time"},
		{ROLE "approvers = appr1\ncredential_lifetime = 0\n", ":18: credential_lifetime is a time from 1 s"},
		{ROLE "approvers = appr1\ncredential_lifetime = 61m\n", ":18: credential_lifetime is a time"},
		{ROLE "approvers = appr1\nticket = (\n", ":18: ticket is no regular expression"},
		{ROLE "approvers = appr1\narn = admin\n", ":18: arn is a role's"},
		{ROLE "approvers = appr1\narn = arn:aws:iam::123456789012:role/a b\n", ":18: arn is a role's"},
		{ROLE "approvers = appr1\narn = arn:aws:iam::123456789012:role/a # b\n", ":18: arn has a comment"},
		{ROLE "approvers = appr1\nregion = eu-west-1 # Ireland\n", ":18: region has a comment behind"},
		{ROLE "approvers = appr1\nregion = eu west\n", ":18: region is one of AWS's"},
		{ROLE "approvers = appr1\nexternal_id = x\n", ":18: external_id is made of"},
		{ROLE "approvers = appr1\nexternal_id = x y\n", ":18: external_id is made of"},
		{ROLE "approvers = appr1\nexternal_id = Ex_1+=,.@:/-\n", ""},
		{ROLE "approvers = appr1\nticket = ^PROJ #[0-9]+$\n", ""},
		{ROLE "approvers = appr1\nsession_policy = {\n", ":18: session_policy is no JSON object"},
#define POLICY ROLE "approvers = appr1\nsession_policy = "
		{POLICY "{\"Statement\":{}}\n", ""},
		{POLICY "{\"Statement\":{}},{\"Statement\":{}}\n", ":18: session_policy is no JSON object"},
		{POLICY "{'Statement':{}}\n", ":18: session_policy is no JSON object"},
		{POLICY "{\"statement\":{}}\n", ":18: session_policy has no Statement"},
		{POLICY "{\"Statement\":[]}\n", ":18: session_policy has no Statement"},
		{"[role t]\napprovers = appr1\n", ":12: role t wants services"},
		{"[role t]\napprovers = appr1\n", ":12: role t wants requesters"},
		{"[role t]\napprovers = appr1\n", ":12: role t wants hosts"},
		{"[role t]\napprovers = appr1\n", ":12: role t wants targets"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[4096], errors[8192];

		snprintf(text, sizeof(text), "%s%s", SMALL, cases[i].added);
		struct jb_conf *conf = read_text(text, errors);
		if (!*cases[i].told ? !conf : conf || !strstr(errors, cases[i].told))
			fail_msg("%s\nexpected: %s\ngot: %s", cases[i].added, cases[i].told, errors);
		jb_conf_free(conf);
	}
}

/* What the broker adds to it takes its share of AWS's 2048 characters. */
static void a_session_policy_that_AWS_would_not_take_is_told(void **state)
{
	char text[4096], errors[8192];
	int len = snprintf(text, sizeof(text), "%s", SMALL ROLE "approvers = appr1\nsession_policy = {\"Statement\":[");

	(void)state;
	for (int i = 0; i < 19; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "\nsession_policy = %s{\"Sid\":\"%090d\"}",
				i ? "," : "", i);
	snprintf(text + len, sizeof(text) - (size_t)len, "\nsession_policy = ]}\n");
	assert_null(read_text(text, errors));
	assert_non_null(strstr(errors, ":18: session_policy is too long"));
}

static void the_broker_section_is_checked(void **state)
{
	static const struct {
		const char *broker, *told;
	} cases[] = {
		{"tls = off\nissuer = demo\nstore = mysql:x\n", ":4: [broker] wants store"},
		{"tls = off\nissuer = demo\nstore = sqlite:broker.db\n", ":4: [broker] wants store"},
		{"tls = off\nstore = sqlite:/b\n", ":1: [broker] wants issuer"},
		{"tls = off\nstore = sqlite:/b\nissuer = aws\n", ":4: issuer is"},
		{"tls = off\nstore = sqlite:/b\nissuer = sts:http://127.0.0.1/\nissuer_credentials = /a\n",
		 ":4: issuer is"},
		{"tls = off\nstore = sqlite:/b\nissuer = sts:https://sts.example/\n", ":4: an STS issuer wants"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nworkflow = "
		 "arn:aws:states:eu-west-1:123456789012:stateMachine:JIT:1\nworkflow_credentials = /a\n",
		 ":5: workflow is a state machine"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nworkflow = "
		 "arn:aws:states:eu-west-1:123456789012:stateMachine:JIT\n",
		 ":5: a workflow wants workflow_credentials"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nworkflow = "
		 "arn:aws:states:eu-west-1:123456789012:stateMachine:JIT\nworkflow_credentials = /a\nworkflow_endpoint "
		 "= http://127.0.0.1/\n",
		 ":7: workflow_endpoint is https"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nissue_function = a:b\nissuer_credentials = /a\n",
		 ":5: issue_function is a function"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nissue_function = jit\n",
		 ":5: issue_function and issue_workflow want issuer_credentials"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nissue_function = jit\nissuer_credentials = "
		 "/a\nissue_endpoint = http://127.0.0.1/\n",
		 ":7: issue_endpoint is https"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nissue_workflow = jit\nissuer_credentials = /a\n",
		 ":5: issue_workflow is a state machine"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nlisten = 0.0.0.0:8443\n",
		 ":2: tls = off is for a loopback"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nlisten = [::]:8443\n",
		 ":2: tls = off is for a loopback"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nlisten = localhost:8443\n", ":5: listen is a numeric"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nlisten = 127.0.0.1:65536\n", ":5: listen is a numeric"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nlisten = 127.0.0.1\n", ":5: listen is a numeric"},
		{"store = sqlite:/b\nissuer = demo\n", ":1: TLS wants tls_certificate"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\nretention = 1s\n", ":5: retention is a time from"},
		{"tls = off\nstore = sqlite:/b\nissuer = demo\n", ":1: there is no [role NAME]"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[1024], errors[8192];

		snprintf(text, sizeof(text), "[broker]\n%s", cases[i].broker);
		assert_null(read_text(text, errors));
		if (!strstr(errors, cases[i].told))
			fail_msg("%s\nexpected: %s\ngot: %s", text, cases[i].told, errors);
	}
}

/* Text behind "[broker]", and where browsers are sent back to then; NULL: that it is not known is told. */
static void browsers_are_sent_back_to_the_brokers_url(void **state)
{
	static const struct {
		const char *keys, *redirect;
	} cases[] = {
		{"url = https://jit.example\n", "https://jit.example/sign-in/oidc/answer"},
		{"url = https://jit.example/\n", "https://jit.example/sign-in/oidc/answer"},
		{"url = https://jit.example\noidc_redirect = https://other.example/sign-in/oidc/answer\n",
		 "https://other.example/sign-in/oidc/answer"},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[2048], errors[8192];

		snprintf(text, sizeof(text), "[broker]\noidc_issuer = https://login.example\noidc_client_id = c\n%s%s",
			 cases[i].keys, SMALL + strlen("[broker]\n"));
		struct jb_conf *conf = read_text(text, errors);
		if (cases[i].redirect) {
			assert_string_equal(errors, "");
			assert_string_equal(conf->oidc_redirect, cases[i].redirect);
		} else {
			assert_null(conf);
			assert_non_null(strstr(errors, ":2: oidc_issuer wants oidc_redirect"));
		}
		jb_conf_free(conf);
	}
}

static void all_errors_are_told_in_one_run(void **state)
{
	char errors[8192];

	(void)state;
	assert_null(read_text("[broker]\ncolour = red\n[role r]\nmax_duration = x\n[x]\n\tshut\nnonsense\n"
			      "; well\n\n[open\nmore nonsense\n",
			      errors));
	assert_non_null(strstr(errors, ":2: [broker] has no key colour"));
	assert_non_null(strstr(errors, ":4: max_duration is a time"));
	assert_non_null(strstr(errors, ":5: this section is none of"));
	assert_non_null(strstr(errors, ":6: this line begins with a blank"));
	assert_non_null(strstr(errors, ":7: this is neither"));
	assert_null(strstr(errors, ":8: "));
	assert_null(strstr(errors, ":9: "));
	assert_non_null(strstr(errors, ":10: this is neither"));
	assert_non_null(strstr(errors, ":11: this is neither"));
	assert_non_null(strstr(errors, "[broker] wants store"));
	assert_non_null(strstr(errors, ":3: role r wants hosts"));
}

static void a_file_that_others_can_read_or_write_is_refused(void **state)
{
	char path[128], errors[8192] = "";

	(void)state;
	snprintf(path, sizeof(path), "%s/jit-broker.conf", dir);
	write_file(dir, "jit-broker.conf", SMALL, 0604);
	assert_null(jb_conf_read(path, collect_error, errors));
	assert_non_null(strstr(errors, "chmod o="));
	write_file(dir, "jit-broker.conf", SMALL, 0660);
	errors[0] = '\0';
	assert_null(jb_conf_read(path, collect_error, errors));
	assert_non_null(strstr(errors, "chmod go-w"));
	assert_null(jb_conf_read("/nonexistent/jit-broker.conf", ignore_conf, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_documentation),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(every_error_is_told_with_its_line),
		cmocka_unit_test(a_session_policy_that_AWS_would_not_take_is_told),
		cmocka_unit_test(the_broker_section_is_checked),
		cmocka_unit_test(browsers_are_sent_back_to_the_brokers_url),
		cmocka_unit_test(all_errors_are_told_in_one_run),
		cmocka_unit_test(a_file_that_others_can_read_or_write_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
