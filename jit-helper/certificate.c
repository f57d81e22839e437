/* See certificate.h. */
#include "certificate.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "safefile.h"

#define FILE_MAX 65536	   /* bytes */
#define CA_MAX	 (8 << 20) /* some 30 times what a system's CAs take */

/* A daemon has nobody to ask for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int64_t end_of(const X509 *certificate)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1 ? timegm(&tm) : 0;
}

static int check(const struct jh_conf *conf, struct jh_certificate *c, char *why, size_t why_size)
{
	BIO *chain = BIO_new_mem_buf(c->chain, -1), *secret = BIO_new_mem_buf(c->key, -1);
	X509 *certificate = chain ? PEM_read_bio_X509(chain, NULL, no_passphrase, NULL) : NULL;
	EVP_PKEY *key = secret ? PEM_read_bio_PrivateKey(secret, NULL, no_passphrase, NULL) : NULL;

	if (!certificate)
		snprintf(why, why_size, "tls_certificate: %s holds no PEM certificate", conf->tls_certificate);
	else if (!key)
		snprintf(why, why_size, "tls_key: %s holds no PEM key without passphrase", conf->tls_key);
	else if (X509_check_private_key(certificate, key) != 1)
		snprintf(why, why_size, "tls_key: the key in %s does not belong to the certificate in %s",
			 conf->tls_key, conf->tls_certificate);
	else
		c->good_until = end_of(certificate);
	X509_free(certificate);
	EVP_PKEY_free(key);
	BIO_free(chain);
	BIO_free(secret);
	return c->good_until ? 0 : -EINVAL;
}

int jh_certificate_read(const struct jh_conf *conf, struct jh_certificate *ret, char *why, size_t why_size)
{
	const struct jit_file_rule plain = {.max_size = FILE_MAX}, secret = {.secret = true, .max_size = FILE_MAX};
	struct jh_certificate c = {0};
	char *key;
	size_t len;

	*ret = c;
	if (!conf->tls_certificate)
		return 0;
	int r = jit_file_read(conf->tls_certificate, &plain, &c.chain, &len, why, why_size);
	if (r < 0)
		return r;
	r = jit_file_read(conf->tls_key, &secret, &key, &len, why, why_size);
	if (r < 0) {
		jh_certificate_clear(&c);
		return r;
	}
	c.key = OPENSSL_secure_zalloc(len + 1);
	if (c.key)
		memcpy(c.key, key, len);
	explicit_bzero(key, len);
	free(key);
	snprintf(why, why_size, "out of memory");
	r = c.key ? check(conf, &c, why, why_size) : -ENOMEM;
	if (r < 0) {
		jh_certificate_clear(&c);
		return r;
	}
	*ret = c;
	return 0;
}

void jh_certificate_clear(struct jh_certificate *certificate)
{
	free(certificate->chain);
	if (certificate->key)
		OPENSSL_secure_clear_free(certificate->key, strlen(certificate->key) + 1);
	*certificate = (struct jh_certificate){0};
}

int jh_certificate_check_ca(const struct jh_conf *conf, char *why, size_t why_size)
{
	static const struct jit_file_rule rule = {.max_size = CA_MAX};

	if (!conf->ca_file)
		return 0;
	if (access(conf->ca_file, R_OK) == 0)
		return jit_file_check(conf->ca_file, &rule, why, why_size);
	const int r = -errno;
	snprintf(why, why_size, "ca_file %s cannot be read by %s: %s", conf->ca_file, conf->user, strerror(-r));
	return r;
}
