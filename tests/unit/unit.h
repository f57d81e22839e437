/* What every cmocka test includes, in the order that cmocka wants. */
#ifndef JIT_TEST_UNIT_H
#define JIT_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Some 40 times slower: what tries thousands of cases for their results tries a few of them there, for their memory. */
static inline bool is_under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded && strstr(preloaded, "vgpreload");
}

/* Under AddressSanitizer or valgrind a process that looks through its own memory sees what is not its own. */
static inline bool is_instrumented(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return is_under_valgrind();
#endif
}

/* What asks for the session of this process begins one: a container's are often led from outside its pid namespace, and
 * nobody in it sees that leader. Who leads a process group, as a command of a shell does, cannot, and has the shell's.
 */
static inline void begin_session(void)
{
	(void)setsid();
}

#endif
