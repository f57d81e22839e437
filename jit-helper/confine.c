/* See confine.h. */
#include "confine.h"

#include <errno.h>
#include <stdio.h>

#include "fetch.h"
#include "sandbox.h"

/* To hold a process and to end it; to look whether it may; to wait for nobody's descriptor (unasked.h). */
static const char *const calls[] = {"capget", "pidfd_open", "pidfd_send_signal", "setitimer", NULL};

static void allow_files(struct jit_sandbox *sandbox, const struct jh_conf *conf)
{
	jit_sandbox_system(sandbox);
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, conf->api_key_file);
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, conf->ca_file);
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, conf->tls_certificate);
	jit_sandbox_file(sandbox, JIT_SANDBOX_READ, conf->tls_key);
	/* Whose session it is, and what runs in it; where it is seen. */
	jit_sandbox_path(sandbox, JIT_SANDBOX_READ, "/proc");
	jit_sandbox_path(sandbox, JIT_SANDBOX_TERMINAL, "/dev/pts");
	jit_sandbox_path(sandbox, JIT_SANDBOX_WRITE, conf->state_dir);
	jit_sandbox_path(sandbox, JIT_SANDBOX_WRITE, conf->spool_dir);
}

static void allow_ports(struct jit_sandbox *sandbox, const struct jh_conf *conf)
{
	for (size_t i = 0; i < conf->broker_count; i++)
		jit_sandbox_url(sandbox, conf->brokers[i]);
	if (conf->auth != JH_AUTH_KEY)
		jit_sandbox_url(sandbox, conf->imds_endpoint ? conf->imds_endpoint : JIT_FETCH_METADATA);
}

int jh_confine(const struct jh_conf *conf, char *why, size_t why_size)
{
	/* Signals end what a grant with on_expiry = end left running. */
	const struct jit_sandbox_rule rule = {.calls = calls, .signals = true};
	struct jit_sandbox *sandbox = jit_sandbox_new();
	int r = -ENOMEM;

	snprintf(why, why_size, "out of memory");
	if (sandbox) {
		allow_files(sandbox, conf);
		allow_ports(sandbox, conf);
		r = jit_sandbox_enter(sandbox, &rule, why, why_size);
	}
	jit_sandbox_free(sandbox);
	return r;
}
