/* See tls.h. */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safefile.h"

#define KEY_FILE_MAX 65536 /* bytes */

static const char *last_error(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "no reason given";
}

/* A daemon has nobody to ask for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int use_key(SSL_CTX *tls, const char *path, char *why, size_t why_size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = KEY_FILE_MAX};
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	char *text = NULL;
	size_t len;
	int r = -1;

	if (jit_file_read(path, &rule, &text, &len, why, why_size) < 0)
		return -1;
	bio = BIO_new_mem_buf(text, (int)len);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (!key)
		snprintf(why, why_size, "tls_key: %s holds no PEM key without passphrase (%s)", path, last_error());
	else if (SSL_CTX_use_PrivateKey(tls, key) != 1 || SSL_CTX_check_private_key(tls) != 1)
		snprintf(why, why_size, "tls_key: the key in %s does not belong to the certificate (%s)", path,
			 last_error());
	else
		r = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	explicit_bzero(text, len);
	free(text);
	return r;
}

static int set_rules(SSL_CTX *tls)
{
	SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);	 /* 10,000 idle connections */
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF); /* tickets resume sessions */
	return SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
			       SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
		       ? 0
		       : -1;
}

SSL_CTX *jb_tls_new(const char *certificate, const char *key, char *why, size_t why_size)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (!tls || set_rules(tls) < 0) {
		snprintf(why, why_size, "cannot set TLS up: %s", last_error());
		goto fail;
	}
	if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1) {
		snprintf(why, why_size, "tls_certificate: %s holds no PEM certificate chain that can be read (%s)",
			 certificate, last_error());
		goto fail;
	}
	if (use_key(tls, key, why, why_size) < 0)
		goto fail;
	return tls;
fail:
	SSL_CTX_free(tls);
	return NULL;
}
