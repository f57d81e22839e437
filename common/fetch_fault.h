/* What libcurl's codes mean to callers of fetch.h, and the phrases that people read. */
#ifndef JIT_FETCH_FAULT_H
#define JIT_FETCH_FAULT_H

#include <curl/curl.h>

#include "fetch.h"

enum jit_fetch_fault jit_fetch_fault_of(CURLcode code);
/*
 * Did the peer end TLS with an alert after the client had its half (in TLS 1.3 it
 * looks at the client's certificate then)? `detail`, libcurl's own, becomes a
 * phrase that names it.
 */
bool jit_fetch_alert(CURLcode code, char *detail, size_t size);
/* A phrase without host; "" for OK. `detail` (libcurl's own, may be "") must live as long as the phrase. */
const char *jit_fetch_why(enum jit_fetch_fault fault, CURLcode code, CURL *easy, const char *detail);
/* No answer came, not even its beginning (but of a 5xx)? What is no HTTP is an answer of somebody. */
bool jit_fetch_silent(enum jit_fetch_fault fault, CURLcode code, long status);

#endif
