/*
 * libcurl's multi interface on a libevent loop: transfers that run beside all
 * else of a process with one thread. What a transfer is (HTTP, SMTP) is its
 * owner's; here is what every one of them needs from the loop. One that libcurl
 * has no memory to wait for ends with CURLE_OUT_OF_MEMORY, and so do all those
 * beside it.
 */
#ifndef JIT_CURLLOOP_H
#define JIT_CURLLOOP_H

#include <curl/curl.h>

struct event_base;
struct jit_curlloop;

/* A transfer is over, with that code. It is still in the loop: the callback takes it out, or lets its owner do so. */
typedef void (*jit_curlloop_done)(CURL *easy, CURLcode code);

/* Starts libcurl with our memory (curlmem.h) too. NULL: out of memory. */
struct jit_curlloop *jit_curlloop_new(struct event_base *base, jit_curlloop_done done);
/* After every transfer has been taken out. NULL is fine. */
void jit_curlloop_free(struct jit_curlloop *loop);

/* `done` comes from the loop, later, for a transfer that could not even begin too. 0 or -1. */
int jit_curlloop_add(struct jit_curlloop *loop, CURL *easy);
/* One that was not added, too. 0 or -1. */
int jit_curlloop_remove(struct jit_curlloop *loop, CURL *easy);

#endif
