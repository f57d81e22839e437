/* See hush.h. */
#include "hush.h"

static size_t place_of(const struct jh_hush *h, uid_t uid)
{
	size_t oldest = 0;

	for (size_t i = 0; i < JH_HUSH_UIDS; i++) {
		if (h->at[i].since_ms && h->at[i].uid == uid)
			return i;
		if (h->at[i].since_ms < h->at[oldest].since_ms)
			oldest = i;
	}
	return oldest;
}

bool jh_hush_lets(struct jh_hush *h, uid_t uid, int64_t now_ms, unsigned *ret_kept)
{
	size_t i = place_of(h, uid);

	if (!h->at[i].since_ms || h->at[i].uid != uid) {
		h->at[i].uid = uid;
		h->at[i].kept = 0;
		h->at[i].since_ms = 0;
	}
	if (!h->at[i].since_ms || now_ms >= h->at[i].since_ms + JH_HUSH_SPAN_MS) {
		h->at[i].since_ms = now_ms ? now_ms : 1;
		h->at[i].said = 0;
	}
	if (h->at[i].said >= JH_HUSH_LINES) {
		h->at[i].kept++;
		return false;
	}
	h->at[i].said++;
	*ret_kept = h->at[i].kept;
	h->at[i].kept = 0;
	return true;
}
