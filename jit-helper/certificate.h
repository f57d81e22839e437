/*
 * The certificate that this host shows to brokers that bind its API key to one
 * (tls_certificate, tls_key): read once, and only where both fit together. And the CA that it knows them by.
 */
#ifndef JH_CERTIFICATE_H
#define JH_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include "conf.h"

/* So long before its end it is time to renew one. */
#define JH_CERTIFICATE_SOON_S (14 * 86400)

struct jh_certificate {
	char *chain;	    /* PEM, the host's own first; NULL: there is none */
	char *key;	    /* PEM; secure heap */
	int64_t good_until; /* epoch seconds; 0: there is none */
};

/* 0, also where the configuration names none; -errno with a sentence in why. */
int jh_certificate_read(const struct jh_conf *conf, struct jh_certificate *ret, char *why, size_t why_size);
void jh_certificate_clear(struct jh_certificate *certificate);

/* Can the CA's file (NULL: none) be read by who this process is, and be believed? 0, or -errno with a sentence. */
int jh_certificate_check_ca(const struct jh_conf *conf, char *why, size_t why_size);

#endif
