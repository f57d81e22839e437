/* The server's half of TLS: certificate, key, nothing older than TLS 1.2, and clients' certificates. */
#ifndef JB_TLS_H
#define JB_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * TLS 1.2 or 1.3, forward secrecy and AEAD alone, no renegotiation, no
 * compression. `certificate`: PEM chain, the server's own first; `key`: PEM
 * without passphrase, refused when others can read it. `client_ca`: PEM; clients
 * are asked for a certificate of these and are greeted with none and with a bad one
 * too, which jb_tls_certified tells; NULL: they are not asked. NULL with a sentence in why; the caller
 * frees the context.
 */
SSL_CTX *jb_tls_new(const char *certificate, const char *key, const char *client_ca, char *why, size_t why_size);

/*
 * Has this client a certificate with that dNSName, and do the client CAs of `tls`
 * vouch for it now? It may have come long ago, and by another context: what
 * expired since, or whose CA was taken away, counts no more. False with half a
 * sentence in why.
 */
bool jb_tls_certified(SSL *ssl, SSL_CTX *tls, const char *name, char *why, size_t why_size);

#endif
