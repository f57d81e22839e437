/* From which addresses a host's key is good: `source = 10.0.0.0/8 2001:db8::/32`. IPv4 and IPv6, no I/O. */
#ifndef JB_SOURCE_H
#define JB_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

/* An address as IPv6 writes it; IPv4 ones are mapped, so that 10.1.2.3 and ::ffff:10.1.2.3 are the same. */
struct jb_address {
	bool known; /* false: the peer has none (a Unix socket) */
	uint8_t byte[16];
};

struct jb_source {
	struct jb_address address;
	unsigned bits; /* of 128 that count */
};

struct jb_sources {
	struct jb_source *source;
	size_t count;
};

/* Adds the blank-separated addresses and prefixes. False with a sentence in why. */
bool jb_sources_add(struct jb_sources *sources, const char *value, char *why, size_t why_size);
void jb_sources_clear(struct jb_sources *sources);
/* Does one of them hold this address? An unknown one is held by none. */
bool jb_sources_hold(const struct jb_sources *sources, const struct jb_address *address);

/* "10.1.2.3", "2001:db8::1". False: it is no address. */
bool jb_address_parse(const char *text, struct jb_address *ret);
struct jb_address jb_address_of(const struct sockaddr *peer);
/* Whom an address stands for: of IPv6 its /64, which one machine may fill. */
struct jb_address jb_address_site(const struct jb_address *address);
/* 127.0.0.0/8 or ::1. */
bool jb_address_is_loopback(const struct jb_address *address);
/* "10.1.2.3", "2001:db8::1"; "an unknown address". */
#define JB_ADDRESS_SIZE 48
void jb_address_text(const struct jb_address *address, char buf[static JB_ADDRESS_SIZE]);

#endif
