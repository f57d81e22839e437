/*
 * Credentials on their way to whoever asked for them: as the JSON that is sealed
 * to a key, and out of it again. No I/O.
 */
#ifndef JB_CREDENTIALS_H
#define JB_CREDENTIALS_H

#include <openssl/evp.h>

#include "issuer.h"

/* Seals them to a public key, with the grant's token where there is one (NULL). The caller frees *ret. 0, -EINVAL,
 * -ENOMEM, -EIO. */
int jb_credentials_seal(const struct jb_credentials *credentials, const char *token, EVP_PKEY *to, char **ret);
/* The other way. The caller wipes *ret. 0; -EINVAL: there are no whole credentials in it, or not for this key. */
int jb_credentials_open(EVP_PKEY *key, const char *jwe, struct jb_credentials *ret);

#endif
