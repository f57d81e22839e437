/*
 * common/seal behind a command line, for the tests that hold it against another
 * implementation of JWE. Keys and texts come and go through standard input and
 * output; the private key, in PEM, through a file.
 *
 *   seal_tool key FILE           makes a key pair, writes the private half to FILE, prints the public JWK
 *   seal_tool seal JWK           seals standard input to the JWK
 *   seal_tool open FILE          opens the JWE on standard input with the private key
 */
#include "seal.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char input[JIT_SEAL_JWE_MAX + 1];

static int make_key(const char *path)
{
	JIT_KEY EVP_PKEY *key = NULL;
	char jwk[JIT_JWK_SIZE];
	FILE *file = fopen(path, "wx");
	bool ok;

	if (!file)
		return 1;
	ok = jit_key_new(&key) == 0 && jit_jwk_format(key, jwk) == 0 &&
	     PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
	fclose(file);
	if (!ok)
		return 1;
	puts(jwk);
	return 0;
}

static int seal_input(const char *jwk)
{
	JIT_KEY EVP_PKEY *to = NULL;
	size_t len = fread(input, 1, sizeof(input), stdin);
	char *jwe;

	if (jit_jwk_parse(jwk, &to) < 0 || jit_seal(to, input, len, &jwe) < 0)
		return 1;
	fputs(jwe, stdout);
	free(jwe);
	return 0;
}

static int open_input(const char *path)
{
	JIT_KEY EVP_PKEY *mine = NULL;
	FILE *file = fopen(path, "r");
	char *plain;
	size_t len;

	if (!file)
		return 1;
	mine = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	input[fread(input, 1, sizeof(input) - 1, stdin)] = '\0';
	if (!mine || jit_unseal(mine, input, &plain, &len) < 0)
		return 1;
	fwrite(plain, 1, len, stdout);
	OPENSSL_secure_clear_free(plain, len + 1);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "key") == 0)
		return make_key(argv[2]);
	if (argc == 3 && strcmp(argv[1], "seal") == 0)
		return seal_input(argv[2]);
	if (argc == 3 && strcmp(argv[1], "open") == 0)
		return open_input(argv[2]);
	fputs("usage: seal_tool key FILE | seal JWK | open FILE\n", stderr);
	return 2;
}
