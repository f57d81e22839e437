/* See sandbox_offer.h. */
#include "sandbox_offer.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* the same on every machine */
#endif

enum { ASK_ABI = 1 << 0 };

int jit_sandbox_landlock(void)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_ABI);

	return abi < 0 ? -errno : (int)abi;
}

/* Whether a filter may end a process, which ours do. */
static int ask_seccomp(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) /* a kernel without it */
		return -ENOSYS;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? -errno : 0;
}

struct jit_sandbox_offer jit_sandbox_ask(void)
{
	return (struct jit_sandbox_offer){.landlock = jit_sandbox_landlock(), .seccomp = ask_seccomp()};
}

static void refused(int error, struct jit_sandbox_lack *lack)
{
	snprintf(lack->why, sizeof(lack->why), "it is refused here (%s)", strerror(-error));
}

static void lack_of_landlock(int error, struct jit_sandbox_lack *lack)
{
	switch (error) {
	case -ENOSYS:
		snprintf(lack->why, sizeof(lack->why), "this kernel has none");
		lack->remedy =
			"use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK; in a container, allow the "
			"landlock_ calls in its seccomp profile";
		return;
	case -EOPNOTSUPP:
		snprintf(lack->why, sizeof(lack->why), "it was not enabled when this kernel started");
		lack->remedy = "boot with lsm=landlock,LIST on the kernel's command line, LIST being what "
			       "/sys/kernel/security/lsm holds";
		return;
	default:
		refused(error, lack);
		lack->remedy = "allow the landlock_ calls in the seccomp profile of this container or unit";
	}
}

static void lack_of_seccomp(int error, struct jit_sandbox_lack *lack)
{
	if (error == -ENOSYS || error == -EINVAL || error == -EOPNOTSUPP) {
		snprintf(lack->why, sizeof(lack->why), "this kernel has none");
		lack->remedy = "use Linux 4.14 or later, built with CONFIG_SECCOMP_FILTER";
		return;
	}
	refused(error, lack);
	lack->remedy = "allow the call seccomp in the seccomp profile of this container or unit";
}

bool jit_sandbox_lacks(const struct jit_sandbox_offer *offer, enum jit_sandbox_part part, struct jit_sandbox_lack *ret)
{
	if (part == JIT_SANDBOX_LANDLOCK && offer->landlock <= 0) {
		ret->part = "Landlock";
		lack_of_landlock(offer->landlock, ret);
		return true;
	}
	if (part == JIT_SANDBOX_SECCOMP && offer->seccomp < 0) {
		ret->part = "seccomp";
		lack_of_seccomp(offer->seccomp, ret);
		return true;
	}
	return false;
}

const char *jit_sandbox_unlimited(const struct jit_sandbox_offer *offer)
{
	if (offer->landlock <= 0 || offer->landlock >= JIT_LANDLOCK_SCOPE)
		return NULL;
	return offer->landlock < JIT_LANDLOCK_TCP
		       ? "neither TCP ports (Linux 6.7 and later do) nor abstract sockets (6.12 and later)"
		       : "no abstract sockets (Linux 6.12 and later do)";
}

void jit_sandbox_say(const struct jit_sandbox_offer *offer, char *buf, size_t size)
{
	struct jit_sandbox_lack files, calls;
	const bool no_files = jit_sandbox_lacks(offer, JIT_SANDBOX_LANDLOCK, &files);
	const bool no_calls = jit_sandbox_lacks(offer, JIT_SANDBOX_SECCOMP, &calls);
	const char *unlimited = jit_sandbox_unlimited(offer);

	if (no_files && no_calls)
		snprintf(buf, size, "NOT confined by Landlock: %s; %s. NOT confined by seccomp either: %s; %s",
			 files.why, files.remedy, calls.why, calls.remedy);
	else if (no_files)
		snprintf(buf, size, "confined by seccomp, but NOT by Landlock: %s; %s", files.why, files.remedy);
	else if (no_calls)
		snprintf(buf, size, "confined by Landlock ABI %d, but NOT by seccomp: %s; %s", offer->landlock,
			 calls.why, calls.remedy);
	else if (unlimited)
		snprintf(buf, size, "confined by seccomp and Landlock ABI %d, which limits %s", offer->landlock,
			 unlimited);
	else
		snprintf(buf, size, "confined by seccomp and Landlock ABI %d", offer->landlock);
}
