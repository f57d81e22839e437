/* What the policy's two halves share: the rules for a request (policy.c) and those for a person (policy_person.c). */
#ifndef JB_POLICY_PRIVATE_H
#define JB_POLICY_PRIVATE_H

#include "policy.h"

/* Fills in a no; false, for the caller's return. */
__attribute__((format(printf, 4, 5))) bool jb_policy_refuse(struct jb_decision *d, const char *code, unsigned line,
							    const char *format, ...);
/* Fills in a yes. */
__attribute__((format(printf, 3, 4))) void jb_policy_accept(struct jb_decision *d, unsigned line, const char *format,
							    ...);

#endif
