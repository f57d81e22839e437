/* See source.h. */
#include "source.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "text.h"

#define MAPPED_BITS 96 /* before an IPv4 address's own */

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct jb_address from_v4(const void *bytes)
{
	struct jb_address address = {.known = true};

	memcpy(address.byte, mapped, sizeof(mapped));
	memcpy(address.byte + sizeof(mapped), bytes, 4);
	return address;
}

static bool is_v4(const struct jb_address *address)
{
	return memcmp(address->byte, mapped, sizeof(mapped)) == 0;
}

struct jb_address jb_address_of(const struct sockaddr *peer)
{
	struct jb_address address = {0};

	if (peer->sa_family == AF_INET)
		return from_v4(&((const struct sockaddr_in *)peer)->sin_addr);
	if (peer->sa_family == AF_INET6) {
		address.known = true;
		memcpy(address.byte, &((const struct sockaddr_in6 *)peer)->sin6_addr, sizeof(address.byte));
	}
	return address;
}

bool jb_address_parse(const char *text, struct jb_address *ret)
{
	struct in6_addr binary;

	if (inet_pton(AF_INET, text, &binary) == 1) {
		*ret = from_v4(&binary);
		return true;
	}
	if (inet_pton(AF_INET6, text, &binary) != 1)
		return false;
	ret->known = true;
	memcpy(ret->byte, &binary, sizeof(binary));
	return true;
}

struct jb_address jb_address_site(const struct jb_address *address)
{
	struct jb_address site = *address;

	if (!is_v4(address))
		memset(site.byte + 8, 0, sizeof(site.byte) - 8);
	return site;
}

bool jb_address_is_loopback(const struct jb_address *address)
{
	static const uint8_t v6[16] = {[15] = 1};

	return address->known &&
	       (is_v4(address) ? address->byte[sizeof(mapped)] == 127 : memcmp(address->byte, v6, sizeof(v6)) == 0);
}

void jb_address_text(const struct jb_address *address, char buf[static JB_ADDRESS_SIZE])
{
	const bool v4 = is_v4(address);

	if (!address->known ||
	    !inet_ntop(v4 ? AF_INET : AF_INET6, address->byte + (v4 ? sizeof(mapped) : 0), buf, JB_ADDRESS_SIZE))
		snprintf(buf, JB_ADDRESS_SIZE, "an unknown address");
}

static bool same_prefix(const struct jb_address *a, const struct jb_address *b, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;
	const uint8_t mask = (uint8_t)(0xff00U >> rest);

	return memcmp(a->byte, b->byte, whole) == 0 && (!rest || (a->byte[whole] & mask) == (b->byte[whole] & mask));
}

/* 10.0.0.1/8 may mean one host or a network: it is neither. */
static bool has_bits_behind(const struct jb_source *source)
{
	for (unsigned bit = source->bits; bit < 128; bit++)
		if (source->address.byte[bit / 8] & 0x80U >> bit % 8)
			return true;
	return false;
}

static bool read_source(const char *text, size_t len, struct jb_source *ret)
{
	const char *slash = memchr(text, '/', len);
	const size_t address_len = slash ? (size_t)(slash - text) : len;
	char address[JB_ADDRESS_SIZE], length[4];
	uint64_t bits;

	if (address_len >= sizeof(address) || len - address_len > sizeof(length))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)address_len, text);
	if (!jb_address_parse(address, &ret->address))
		return false;
	const bool v4 = !strchr(address, ':');
	bits = v4 ? 32 : 128;
	snprintf(length, sizeof(length), "%.*s", slash ? (int)(len - address_len - 1) : 0, slash ? slash + 1 : "");
	if (slash && jit_parse_u64(length, bits, &bits) < 0)
		return false;
	ret->bits = (unsigned)bits + (v4 ? MAPPED_BITS : 0);
	return true;
}

bool jb_sources_add(struct jb_sources *sources, const char *value, char *why, size_t why_size)
{
	for (value += strspn(value, " \t"); *value; value += strspn(value, " \t")) {
		const size_t len = strcspn(value, " \t");
		struct jb_source source = {0};

		if (!read_source(value, len, &source) || has_bits_behind(&source)) {
			snprintf(why, why_size,
				 "source names addresses or networks, like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32, "
				 "without bits behind the prefix; %.*s is none",
				 len < 60 ? (int)len : 60, value);
			return false;
		}
		struct jb_source *grown = reallocarray(sources->source, sources->count + 1, sizeof(*grown));
		if (!grown) {
			snprintf(why, why_size, "out of memory");
			return false;
		}
		sources->source = grown;
		grown[sources->count++] = source;
		value += len;
	}
	return true;
}

void jb_sources_clear(struct jb_sources *sources)
{
	free(sources->source);
	*sources = (struct jb_sources){0};
}

bool jb_sources_hold(const struct jb_sources *sources, const struct jb_address *address)
{
	for (size_t i = 0; address->known && i < sources->count; i++)
		if (same_prefix(&sources->source[i].address, address, sources->source[i].bits))
			return true;
	return false;
}
