/* Bob's key of RFC 7518, appendix C, for targets in which something is sealed or signed: everybody knows it. */
#ifndef JIT_FUZZ_BOB_H
#define JIT_FUZZ_BOB_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "b64.h"
#include "fuzz.h"

#define BOB_X "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ"
#define BOB_Y "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"
#define BOB_D "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"

static inline EVP_PKEY *bob(void)
{
	static const char *const parts[] = {BOB_D, BOB_X, BOB_Y};
	static EVP_PKEY *key;
	uint8_t secret[32], point[65] = {4};
	size_t len;

	if (key)
		return key;
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(jit_b64_decode(parts[i], 43, i ? point + 1 + 32 * (i - 1) : secret, 32, &len) == 0);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *d = BN_bin2bn(secret, sizeof(secret), NULL);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	FUZZ_CHECK(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(d);
	return key;
}

#endif
