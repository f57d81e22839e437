/* See oidc_flow.h. */
#include "oidc_flow.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b64.h"
#include "secret.h"

#define RANDOM_BYTES 32
_Static_assert(JIT_B64_SIZE(RANDOM_BYTES) == JB_OIDC_RANDOM, "256 bits");

struct entry {
	int64_t until; /* ms; 0: free */
	struct jb_address peer;
	char state[JB_OIDC_RANDOM], cookie[JB_OIDC_RANDOM];
	struct jb_oidc_flow flow;
};

struct jb_oidc_flows {
	struct entry entry[JB_OIDC_FLOWS];
};

struct jb_oidc_flows *jb_oidc_flows_new(void)
{
	return calloc(1, sizeof(struct jb_oidc_flows));
}

void jb_oidc_flows_free(struct jb_oidc_flows *flows)
{
	if (flows)
		OPENSSL_cleanse(flows, sizeof(*flows));
	free(flows);
}

static bool make_random(char text[static JB_OIDC_RANDOM])
{
	uint8_t bytes[RANDOM_BYTES];
	const bool made = RAND_bytes(bytes, sizeof(bytes)) == 1;

	jit_b64_encode(bytes, sizeof(bytes), text);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return made;
}

static bool make_challenge(const char *verifier, char text[static JB_OIDC_RANDOM])
{
	uint8_t digest[RANDOM_BYTES];
	unsigned len = 0;

	if (EVP_Digest(verifier, strlen(verifier), digest, &len, EVP_sha256(), NULL) != 1 || len != sizeof(digest))
		return false;
	jit_b64_encode(digest, sizeof(digest), text);
	return true;
}

/* A peer without an address (a proxy's socket) stands for everybody behind it. */
static bool is_same_peer(const struct jb_address *a, const struct jb_address *b)
{
	return a->known && b->known && memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

/* A free place; failing that the oldest sign-in's: who began it has long given up, or can begin again. */
static struct entry *find_place(struct jb_oidc_flows *flows, const struct jb_address *peer, int64_t now)
{
	struct entry *oldest = NULL, *peers_oldest = NULL, *unused = NULL;
	size_t of_peer = 0;

	for (size_t i = 0; i < JB_OIDC_FLOWS; i++) {
		struct entry *e = &flows->entry[i];

		if (e->until <= now) {
			OPENSSL_cleanse(e, sizeof(*e));
			unused = e;
			continue;
		}
		if (!oldest || e->until < oldest->until)
			oldest = e;
		if (!is_same_peer(&e->peer, peer))
			continue;
		of_peer++;
		if (!peers_oldest || e->until < peers_oldest->until)
			peers_oldest = e;
	}
	return of_peer >= JB_OIDC_FLOWS_PEER ? peers_oldest : unused ? unused : oldest;
}

/* Is it the cookie of a browser that has a sign-in under way? Another value is not taken over from anybody. */
static bool is_ours(const struct jb_oidc_flows *flows, const char *cookie, int64_t now)
{
	for (size_t i = 0; cookie && i < JB_OIDC_FLOWS; i++)
		if (flows->entry[i].until > now && jb_secret_same(flows->entry[i].cookie, cookie))
			return true;
	return false;
}

int jb_oidc_flows_begin(struct jb_oidc_flows *flows, const struct jb_address *peer, const char *cookie,
			const char *return_to, int64_t now, struct jb_oidc_begun *ret)
{
	struct entry new = {.until = now + JB_OIDC_FLOW_S * 1000, .peer = jb_address_site(peer)};
	struct jb_oidc_begun begun;
	int r = -EIO;

	if (strlen(return_to) >= sizeof(new.flow.return_to))
		return -EINVAL;
	snprintf(new.flow.return_to, sizeof(new.flow.return_to), "%s", return_to);
	bool made = make_random(new.state) && make_random(new.flow.nonce) && make_random(new.flow.verifier) &&
		    make_challenge(new.flow.verifier, begun.challenge);
	if (is_ours(flows, cookie, now))
		snprintf(new.cookie, sizeof(new.cookie), "%s", cookie);
	else
		made = made && make_random(new.cookie);
	if (made) {
		memcpy(begun.state, new.state, sizeof(begun.state));
		memcpy(begun.nonce, new.flow.nonce, sizeof(begun.nonce));
		memcpy(begun.cookie, new.cookie, sizeof(begun.cookie));
		*find_place(flows, &new.peer, now) = new;
		*ret = begun;
		r = 0;
	}
	OPENSSL_cleanse(&new, sizeof(new));
	OPENSSL_cleanse(&begun, sizeof(begun));
	return r;
}

bool jb_oidc_flows_take(struct jb_oidc_flows *flows, const char *state, const char *cookie, int64_t now,
			struct jb_oidc_flow *ret)
{
	for (size_t i = 0; i < JB_OIDC_FLOWS; i++) {
		struct entry *e = &flows->entry[i];

		if (!e->until || !jb_secret_same(e->state, state))
			continue;
		const bool good = e->until > now && jb_secret_same(e->cookie, cookie);
		if (good)
			*ret = e->flow;
		OPENSSL_cleanse(e, sizeof(*e));
		return good;
	}
	return false;
}
