/* The libpam that the module is given when it is fuzzed: one transaction, its items, its environment, its conversation.
 */
#ifndef JIT_FUZZ_PAM_H
#define JIT_FUZZ_PAM_H

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stdint.h>

#define PAM_ENVS 64

/* How the person, or the application, answers a prompt. */
enum fuzz_person {
	PERSON_ANSWERS,
	PERSON_IS_NONE,	   /* the application's conversation fails */
	PERSON_IS_HOSTILE, /* control characters */
	PERSON_IS_SLOW,
	PERSON_IS_EMPTY, /* success, and no answer */
	PERSON_KINDS,
};

struct pam_handle {
	const char *service, *user, *ruser, *tty, *rhost;
	bool has_conv;
	enum fuzz_person person;
	char *env[PAM_ENVS];
	void *data;
	void (*cleanup)(pam_handle_t *pamh, void *data, int status);
	int64_t talked_ms; /* that the person took */
	unsigned shown, errors, logged;
};

/* As pam_end does it: what the module keeps is released, the environment is gone. */
void fuzz_pam_end(struct pam_handle *pamh);

#endif
