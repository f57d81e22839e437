/*
 * pam_sm_acct_mgmt, pam_sm_open_session and pam_sm_close_session as an application calls them, in a world (libc.h)
 * where the helper, the person and every libc call may do anything. Nobody is let in but by a whole verdict of the
 * helper that came in time; nothing is left behind; and no call takes longer than it may.
 *
 * The input: six bytes that say how the world is, faults, and the script. It may ask that its transaction be run once
 * for each call of libc and libpam in it, which then fails.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <security/pam_modules.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libc.h"
#include "pam.h"

#define GRANT	  "JIT_GRANT=0b6c1111-2222-4333-8444-555566667777"
#define TIMEOUT_S 30
#define SLACK_MS  1100 /* a step of the script, and of the module's own waits */
#define GRACE_MS  2000
#define OPEN_S	  15
#define MANY	  1000 /* more calls than any transaction makes */

enum { OBSERVE = 1, EXEMPT_GROUP = 2, ROLE = 4, NO_GRACE = 8, DEBUG = 16, WRONG = 32, EXEMPT_USER = 64 };

static const char *const services[] = {"sudo", "su", "sshd", "login", "polkit-1", "cron", "sudo-i", "other"};

struct plan {
	unsigned service, arguments;
	bool opens, closes, every_fault;
};

/* A connection that could be the ssh client's. */
static void make_client(void)
{
	static int listener = -1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);

	if (listener >= 0)
		return;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(bind(listener, (struct sockaddr *)&to, len) == 0 && listen(listener, 1) == 0);
	FUZZ_CHECK(getsockname(listener, (struct sockaddr *)&to, &len) == 0);
	FUZZ_CHECK(connect(client, (struct sockaddr *)&to, len) == 0);
}

static struct plan read_plan(struct fuzz_input *in, struct world_facts *facts, struct pam_handle *pamh)
{
	static const char *const names[] = {WORLD_USER, "root", WORLD_USER "\n", "nobody-here", "", NULL, "_jit", "-x"};
	static const char *const titles[] = {"sudo", "sshd: op1 [pam]", "sshd-session: op1 [pam]", "sshd: op1 [priv]"};
	const uint8_t a = fuzz_byte(in), b = fuzz_byte(in), c = fuzz_byte(in), d = fuzz_byte(in), e = fuzz_byte(in),
		      f = fuzz_byte(in);
	struct plan plan = {.service = a & 7, .arguments = b & 127, .opens = a & 8, .closes = a & 16};

	*facts = (struct world_facts){
		.real_uid = a & 32 ? 0 : WORLD_UID,
		.listener = c & 1   ? WORLD_HELPER
			    : c & 2 ? 4711
				    : 0,
		.title = titles[c >> 2 & 3],
		.busy = c >> 4 & 3 ? (c >> 4 & 3) * 40U : 0,
		.deaf = c & 64,
		.terminal = c & 128,
		.foreground = d & 1,
		.alarm = d & 2,
		.own_ring = d & 4,
		.no_keyrings = d & 8,
		.linked = a & 64,
		.shared = a & 128,
	};
	*pamh = (struct pam_handle){
		.service = services[plan.service],
		.user = names[e & 7],
		.ruser = names[e >> 3 & 7],
		.tty = d & 16	? "/dev/pts/3"
		       : d & 32 ? "pts/../../etc/passwd"
				: NULL,
		.rhost = d & 64	   ? "127.0.0.1"
			 : d & 128 ? "client.example"
				   : NULL,
		.has_conv = !(f & 1),
		.person = (f >> 1 & 63) % PERSON_KINDS,
	};
	plan.every_fault = f & 128;
	for (unsigned i = 0; i < (e >> 6U) + 1U && i < WORLD_FAULTS; i++) {
		facts->fault[i].call = fuzz_byte(in);
		facts->fault[i].error = fuzz_byte(in);
	}
	return plan;
}

static int call(const struct plan *plan, struct pam_handle *pamh,
		int (*phase)(pam_handle_t *pamh, int flags, int argc, const char **argv))
{
	const char *argv[16] = {("socket=" WORLD_SOCKET), "helper_user=_jit", "timeout=30"};
	int argc = 3;

	if (plan->arguments & OBSERVE)
		argv[argc++] = "observe";
	if (plan->arguments & EXEMPT_GROUP)
		argv[argc++] = "exempt_group=wheel,nobodys";
	if (plan->arguments & EXEMPT_USER)
		argv[argc++] = "exempt_user=op2,_jit";
	if (plan->arguments & ROLE)
		argv[argc++] = "role=admin";
	if (plan->arguments & NO_GRACE)
		argv[argc++] = "login_grace=0";
	if (plan->arguments & DEBUG)
		argv[argc++] = "debug";
	if (plan->arguments & WRONG)
		argv[argc++] = "tiemout=1";
	return phase(pamh, 0, argc, argv);
}

/* Root, or who the line spares, or observed: not asked, and so not refused. */
static bool may_be_spared(const struct plan *plan, const struct pam_handle *pamh)
{
	bool spared = pamh->user && strcmp(pamh->user, "_jit") == 0;

	spared |= pamh->ruser && strcmp(pamh->ruser, "_jit") == 0;
	return (plan->arguments & OBSERVE) || ((plan->arguments & EXEMPT_USER) && spared) || world.is.real_uid == 0;
}

static void check_code(const struct plan *plan, const struct pam_handle *pamh, int code)
{
	world_listen();
	if (code == PAM_SUCCESS)
		FUZZ_CHECK(world.allowed && (world.is.deaf || (world.questions == 1 && world.taken)) &&
			   !(plan->arguments & (OBSERVE | WRONG)) && world.is.listener != 4711);
	else if (code == PAM_IGNORE)
		FUZZ_CHECK(world.ignored || may_be_spared(plan, pamh));
	else
		FUZZ_CHECK(code > PAM_SUCCESS && code < _PAM_RETURN_VALUES);
	FUZZ_CHECK(pamh->logged || world.faults || code == PAM_IGNORE);
}

static void check_rest(const struct world_facts *before)
{
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int sig = 1; sig < NSIG; sig++)
		FUZZ_CHECK(sigismember(&mask, sig) == sigismember(&world.mask, sig));
	FUZZ_CHECK(world.undo_failed ||
		   (world.is.real_uid == before->real_uid && world.is.effective_uid == before->effective_uid));
}

static void check_time(const struct pam_handle *pamh, int64_t began, int64_t most)
{
	FUZZ_CHECK(world.now_ms - began - pamh->talked_ms <= most + SLACK_MS);
}

static void account(const struct plan *plan, struct pam_handle *pamh)
{
	const struct world_facts before = world.is;
	const int64_t most = plan->arguments & OBSERVE ? 900 : TIMEOUT_S * 1000 + GRACE_MS, began = world.now_ms;

	world_phase(false, world.now_ms + most);
	int code = call(plan, pamh, pam_sm_acct_mgmt);
	check_code(plan, pamh, code);
	check_rest(&before);
	check_time(pamh, began, most);
	FUZZ_CHECK(world.fd_count == 0 && world.blocks == 0 && !world.key);
	FUZZ_CHECK(code == PAM_SUCCESS || world.undo_failed || !pam_getenv(pamh, "JIT_GRANT"));
	world_end();
}

static void open_session(const struct plan *plan, struct pam_handle *pamh)
{
	const struct world_facts before = world.is;
	const int64_t most = OPEN_S * 1000 + GRACE_MS, began = world.now_ms;

	pamh->talked_ms = 0;
	world_phase(true, world.now_ms + most);
	int code = call(plan, pamh, pam_sm_open_session);
	check_code(plan, pamh, code);
	check_rest(&before);
	check_time(pamh, began, most + WORLD_CONFIRM_MS);
	bool began_one = code == PAM_SUCCESS;
	FUZZ_CHECK(world.fd_count == began_one && world.blocks == began_one && (pamh->data != NULL) == began_one);
	FUZZ_CHECK(!began_one || world.key || (world.keyless && world.confirmed) || world.is.deaf);
	FUZZ_CHECK(began_one || !world.key || world.undo_failed);
}

static void close_session(const struct plan *plan, struct pam_handle *pamh)
{
	const struct world_facts before = world.is;
	bool had_one = pamh->data != NULL;

	int code = call(plan, pamh, pam_sm_close_session);
	FUZZ_CHECK(code == (had_one ? PAM_SUCCESS : PAM_IGNORE));
	check_rest(&before);
}

/* One transaction, from pam_start to pam_end. */
static void transact(const struct plan *plan, const struct world_facts *facts, struct pam_handle pamh,
		     const struct fuzz_input *script)
{
	world_begin(facts, script);
	account(plan, &pamh);
	if (plan->opens) {
		pam_putenv(&pamh, GRANT);
		open_session(plan, &pamh);
	}
	if (plan->closes)
		close_session(plan, &pamh);
	fuzz_pam_end(&pamh);
	FUZZ_CHECK(world.blocks == 0 && (world.undo_failed || (world.fd_count == 0 && !world.key)));
	world_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *environment[] = {(char *)"JIT_REASON=disk\033 full", (char *)"JIT_TICKET=INC-4711",
				      (char *)"JIT_ROLE=admin",		  (char *)"JIT_BREAK_GLASS=yes",
				      (char *)"SUDO_COMMAND=/usr/bin/id", NULL};
	struct fuzz_input in = {data, size};
	struct world_facts facts;
	struct pam_handle pamh;
	char **saved = environ;

	make_client();
	struct plan plan = read_plan(&in, &facts, &pamh);
	environ = environment;
	for (unsigned n = 1; plan.every_fault && n < MANY; n++) {
		facts.fault[0].call = n;
		transact(&plan, &facts, pamh, &in);
		plan.every_fault = world.faults > 0;
	}
	transact(&plan, &facts, pamh, &in);
	environ = saved;
	return 0;
}
