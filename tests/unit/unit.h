/* What every cmocka test includes, in the order that cmocka wants. */
#ifndef JIT_TEST_UNIT_H
#define JIT_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
