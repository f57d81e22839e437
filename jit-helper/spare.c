/* See spare.h. */
#include "spare.h"

#include <stdlib.h>

#include "alarm.h"
#include "cleanup.h"

#define AGAIN_MS 50 /* longer than a request takes that is approved at once */

struct jh_spare {
	EVP_PKEY *key; /* NULL: none is ready */
	struct jh_alarm again;
};

static void refill(void *arg)
{
	struct jh_spare *s = arg;

	/* Where it fails now, it is tried by who needs one, and refused with a sentence. */
	if (!s->key && jit_key_new(&s->key) < 0)
		s->key = NULL;
}

struct jh_spare *jh_spare_new(struct jh_alarms *alarms)
{
	struct jh_spare *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	jh_alarm_init(&s->again, alarms, refill, s);
	jh_alarm_in(&s->again, AGAIN_MS);
	return s;
}

void jh_spare_free(struct jh_spare *s)
{
	if (!s)
		return;
	jh_alarm_clear(&s->again);
	EVP_PKEY_free(s->key);
	free(s);
}

int jh_spare_take(struct jh_spare *s, EVP_PKEY **ret)
{
	if (!s || !s->key) {
		if (s && !s->again.when_ms)
			jh_alarm_in(&s->again, AGAIN_MS);
		return jit_key_new(ret);
	}
	*ret = JIT_TAKE(s->key);
	jh_alarm_in(&s->again, AGAIN_MS);
	return 0;
}
