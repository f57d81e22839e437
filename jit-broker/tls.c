/* See tls.h. */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safefile.h"

#define KEY_FILE_MAX 65536 /* bytes */
#define CERTS_MAX    (8 << 20)

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

/*
 * A bad certificate is none, and what needs a good one is refused in words, call by
 * call (jb_tls_certified). An alert would end the connection for a host that needs none,
 * and reach the others only where their call is not under way yet.
 */
static int judged_later(int good, X509_STORE_CTX *ctx)
{
	(void)good;
	(void)ctx;
	return 1;
}

/* What OpenSSL then reads by its name, and would wait for if it were a pipe. */
static int check_certificates(const char *key, const char *path, char *why, size_t why_size)
{
	static const struct jit_file_rule rule = {.max_size = CERTS_MAX};
	char reason[512];

	if (jit_file_check(path, &rule, reason, sizeof(reason)) == 0)
		return 0;
	snprintf(why, why_size, "%s: %s", key, reason);
	return -1;
}

/* Who presents none goes on without: browsers, approvers, hosts whose key is not bound to one. */
static int ask_clients(SSL_CTX *tls, const char *ca, char *why, size_t why_size)
{
	if (check_certificates("tls_client_ca", ca, why, why_size) < 0)
		return -1;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);

	if (!names || SSL_CTX_load_verify_file(tls, ca) != 1 || SSL_CTX_set_num_tickets(tls, 0) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		snprintf(why, why_size, "tls_client_ca: %s holds no PEM certificates that can be read (%s)", ca,
			 last_error());
		return -1;
	}
	/* No sessions: a resumed one has lost the CAs between a certificate and those that vouch for it. */
	SSL_CTX_set_options(tls, SSL_OP_NO_TICKET);
	SSL_CTX_set_client_CA_list(tls, names);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, judged_later);
	return 0;
}

/* X509_V_OK, or why the context's CAs do not vouch for it. */
static int verify(SSL *ssl, SSL_CTX *tls, X509 *certificate)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;

	if (ctx &&
	    X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(tls), certificate, SSL_get_peer_cert_chain(ssl)) == 1 &&
	    X509_STORE_CTX_set_default(ctx, "ssl_client") == 1)
		error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	return error;
}

bool jb_tls_certified(SSL *ssl, SSL_CTX *tls, const char *name, char *why, size_t why_size)
{
	X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	if (!certificate) {
		snprintf(why, why_size, "no client certificate came with it");
		return false;
	}
	const int error = verify(ssl, tls, certificate);
	if (error != X509_V_OK) {
		snprintf(why, why_size, "its client certificate is not good: %s", X509_verify_cert_error_string(error));
		return false;
	}
	if (X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
			    NULL) == 1)
		return true;
	snprintf(why, why_size, "its client certificate is not of %s", name);
	return false;
}

SSL_CTX *jb_tls_new(const char *certificate, const char *key, const char *client_ca, char *why, size_t why_size)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	ERR_clear_error();
	if (!tls || set_rules(tls) < 0) {
		snprintf(why, why_size, "cannot set TLS up: %s", last_error());
		goto fail;
	}
	if (check_certificates("tls_certificate", certificate, why, why_size) < 0)
		goto fail;
	if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1) {
		snprintf(why, why_size, "tls_certificate: %s holds no PEM certificate chain that can be read (%s)",
			 certificate, last_error());
		goto fail;
	}
	if (use_key(tls, key, why, why_size) < 0 || (client_ca && ask_clients(tls, client_ca, why, why_size) < 0))
		goto fail;
	return tls;
fail:
	SSL_CTX_free(tls);
	return NULL;
}
