/*
 * libcurl's memory: what it sends (API keys, bearer tokens) and what it receives
 * lies in its buffers, so every block is wiped when it is freed, and the large
 * ones, which it keeps for as long as a call lasts, are locked and left out of
 * core dumps.
 */
#ifndef JIT_CURLMEM_H
#define JIT_CURLMEM_H

/* Starts libcurl with that memory; once or often. 0 or -1. */
int jit_curlmem_start(void);

#endif
