/*
 * libcurl's memory: what it sends (API keys, bearer tokens) and what it receives
 * lies in its buffers, so every block is wiped when it is freed, and the large
 * ones, which it keeps for as long as a call lasts, are locked and left out of
 * core dumps. A copy of what lies in OpenSSL's secure heap lies there too.
 */
#ifndef JIT_CURLMEM_H
#define JIT_CURLMEM_H

#include <curl/curl.h>

/* Starts libcurl with that memory; once or often. 0 or -1. */
int jit_curlmem_start(void);

/*
 * Who a call is of. libcurl keeps copies of the password with the connection, which may outlive the call: all of them
 * lie in OpenSSL's secure heap, where the program has made one.
 */
CURLcode jit_curlmem_login(CURL *easy, const char *user, const char *password);
/* The same of "USER:PASSWORD". */
CURLcode jit_curlmem_login_pair(CURL *easy, const char *pair);

#endif
