/* The server's half of TLS: certificate, key, and nothing older than TLS 1.2. */
#ifndef JB_TLS_H
#define JB_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>

/*
 * TLS 1.2 or 1.3, forward secrecy and AEAD alone, no renegotiation, no
 * compression. `certificate`: PEM chain, the server's own first; `key`: PEM
 * without passphrase, refused when others can read it. NULL with a sentence in
 * why; the caller frees the context.
 */
SSL_CTX *jb_tls_new(const char *certificate, const char *key, char *why, size_t why_size);

#endif
