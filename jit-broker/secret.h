/*
 * The secrets that hosts and people present: API keys and approver tokens
 * ("jitk_<id>_<secret>") and grant tokens ("jitg_<secret>"). Made from 32 random
 * bytes, kept as SHA-256 alone, compared in constant time. Nothing here stores or
 * logs. A plain hash is enough: there is nothing to guess in 256 random bits.
 */
#ifndef JB_SECRET_H
#define JB_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define JB_SECRET_SIZE	  72 /* of a secret's text, NUL included */
#define JB_SECRET_ID_SIZE 17 /* of a key's id: 16 hex digits */
#define JB_HASH_SIZE	  65 /* hex SHA-256 */

/* A new key: its text (to be shown once and wiped), its id and its hash. 0 or -EIO. */
int jb_secret_new_key(char text[static JB_SECRET_SIZE], char id[static JB_SECRET_ID_SIZE],
		      char hash[static JB_HASH_SIZE]);
/* A new grant token and its hash. 0 or -EIO. */
int jb_secret_new_token(char text[static JB_SECRET_SIZE], char hash[static JB_HASH_SIZE]);

/* The id within a key's text; false when this is no such text. */
bool jb_secret_key_id(const char *text, char id[static JB_SECRET_ID_SIZE]);

/* Hex SHA-256 of len bytes. 0 or -EIO. */
int jb_sha256_hex(const void *data, size_t len, char hash[static JB_HASH_SIZE]);
/* Does `text` belong to the hash? In constant time; false where either is NULL. */
bool jb_secret_fits(const char *text, const char *hash);
/* Are two texts equal, in a time that tells nothing but their lengths? False where either is NULL. */
bool jb_secret_same(const char *a, const char *b);

#endif
