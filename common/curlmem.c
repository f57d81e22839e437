/* See curlmem.h. */
#include "curlmem.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  ((size_t)4096)
#define LARGE ((size_t)16384) /* libcurl's send and receive buffers are not smaller */
#define SLOT  (5 * PAGE)
#define SLOTS 4 /* two calls' buffers */

/*
 * A call takes two large blocks and gives them back: to lock and to unlock them would be most of what it costs the
 * kernel. So a few are locked once and for all. What does not fit there is locked for as long as it lasts. libcurl
 * resolves names in threads.
 */
static struct {
	_Alignas(PAGE) uint8_t slot[SLOTS][SLOT];
	bool used[SLOTS];
	pthread_mutex_t lock;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock_pool(void)
{
	/* As far as the limits allow: a request is still sent where memory cannot be locked. */
	madvise(pool.slot, sizeof(pool.slot), MADV_DONTDUMP);
	for (size_t i = 0; i < SLOTS; i++)
		mlock(pool.slot[i], SLOT);
}

static bool is_slot(const void *block)
{
	return (uintptr_t)block >= (uintptr_t)pool.slot && (uintptr_t)block < (uintptr_t)pool.slot + sizeof(pool.slot);
}

/* NULL: none is free. */
static void *take_slot(void)
{
	void *block = NULL;

	pthread_mutex_lock(&pool.lock);
	for (size_t i = 0; i < SLOTS && !block; i++) {
		if (!pool.used[i]) {
			pool.used[i] = true;
			block = pool.slot[i];
		}
	}
	pthread_mutex_unlock(&pool.lock);
	return block;
}

static void give_slot_back(void *block)
{
	explicit_bzero(block, SLOT);
	pthread_mutex_lock(&pool.lock);
	pool.used[((uintptr_t)block - (uintptr_t)pool.slot) / SLOT] = false;
	pthread_mutex_unlock(&pool.lock);
}

static void *take_locked(size_t whole)
{
	void *block = aligned_alloc(PAGE, whole);

	if (block) {
		madvise(block, whole, MADV_DONTDUMP);
		mlock(block, whole);
	}
	return block;
}

static void *take(size_t size)
{
	if (size < LARGE)
		return malloc(size ? size : 1);
	if (size > SIZE_MAX - PAGE)
		return NULL;
	void *block = size <= SLOT ? take_slot() : NULL;
	return block ? block : take_locked((size + PAGE - 1) & ~(PAGE - 1));
}

static size_t size_of(void *block)
{
	if (!block)
		return 0;
	if (CRYPTO_secure_allocated(block))
		return CRYPTO_secure_actual_size(block);
	return is_slot(block) ? SLOT : malloc_usable_size(block);
}

static void give_back(void *block)
{
	size_t size = size_of(block), pages = size & ~(PAGE - 1);

	if (!block)
		return;
	if (CRYPTO_secure_allocated(block)) {
		OPENSSL_secure_free(block); /* which wipes it */
		return;
	}
	if (is_slot(block)) {
		give_slot_back(block);
		return;
	}
	explicit_bzero(block, size);
	if (pages >= LARGE && (uintptr_t)block % PAGE == 0) {
		munlock(block, pages);
		madvise(block, pages, MADV_DODUMP); /* the heap goes on using them */
	}
	free(block);
}

static void *resize(void *block, size_t size)
{
	size_t old = size_of(block);
	void *other = take(size);

	if (!other)
		return NULL;
	if (block)
		memcpy(other, block, old < size ? old : size);
	give_back(block);
	return other;
}

static void *take_zeroed(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	void *block = take(count * size);
	if (block)
		memset(block, 0, count * size);
	return block;
}

static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;
	char *block = CRYPTO_secure_allocated(text) ? OPENSSL_secure_malloc(size) : take(size);

	if (block)
		memcpy(block, text, size);
	return block;
}

int jit_curlmem_start(void)
{
	lock_pool();
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, give_back, resize, copy, take_zeroed) == CURLE_OK ? 0
														 : -1;
}

/* libcurl copies it once more for itself, and that copy for each connection. */
static CURLcode set_password(CURL *easy, const char *password)
{
	const size_t size = strlen(password) + 1;
	char *own = OPENSSL_secure_malloc(size);

	if (!own)
		return CURLE_OUT_OF_MEMORY;
	memcpy(own, password, size);
	const CURLcode r = curl_easy_setopt(easy, CURLOPT_PASSWORD, own);
	OPENSSL_secure_clear_free(own, size);
	return r;
}

CURLcode jit_curlmem_login(CURL *easy, const char *user, const char *password)
{
	const CURLcode r = curl_easy_setopt(easy, CURLOPT_USERNAME, user);

	return r == CURLE_OK ? set_password(easy, password) : r;
}

CURLcode jit_curlmem_login_pair(CURL *easy, const char *pair)
{
	const char *colon = strchr(pair, ':');
	char *user = colon ? strndup(pair, (size_t)(colon - pair)) : NULL;

	if (!user)
		return colon ? CURLE_OUT_OF_MEMORY : CURLE_BAD_FUNCTION_ARGUMENT;
	const CURLcode r = jit_curlmem_login(easy, user, colon + 1);
	free(user);
	return r;
}
