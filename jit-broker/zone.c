/* See zone.h. The file's form is RFC 8536's, version 2 or later: 64-bit instants and a rule for what comes after. */
#include "zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "zone_rule.h"

#define DIRECTORY   "/usr/share/zoneinfo"
#define FILE_MAX    65536 /* bytes; the largest there is has 4 kB */
#define HEADER_SIZE 44
#define NAME_LIMIT  63 /* bytes of a zone's name */

struct change {
	int64_t at, offset;
};

struct jb_zone {
	char name[NAME_LIMIT + 1];
	int64_t before; /* the offset before the first change */
	struct change *changes;
	size_t count;
	bool has_rule;
	struct jb_zone_rule rule;
};

/* What a block of the file holds. */
struct counts {
	size_t is_ut, is_std, leap, time, type, chars;
};

static int64_t number(const uint8_t *at, size_t bytes)
{
	uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return (int64_t)value;
}

static bool read_counts(const uint8_t *header, struct counts *ret)
{
	size_t *const at[] = {&ret->is_ut, &ret->is_std, &ret->leap, &ret->time, &ret->type, &ret->chars};

	if (memcmp(header, "TZif", 4) != 0)
		return false;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		int64_t n = number(header + 20 + i * 4, 4);

		if (n < 0 || n > FILE_MAX)
			return false;
		*at[i] = (size_t)n;
	}
	return true;
}

static size_t block_size(const struct counts *c, size_t time_size)
{
	return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) + c->is_std + c->is_ut;
}

static bool read_changes(struct jb_zone *zone, const uint8_t *block, const struct counts *c)
{
	const uint8_t *kinds = block + c->time * 8, *types = kinds + c->time;

	zone->before = number(types, 4);
	zone->changes = calloc(c->time + 1, sizeof(*zone->changes));
	for (size_t i = 0; zone->changes && i < c->time; i++) {
		if (kinds[i] >= c->type)
			return false;
		zone->changes[i] = (struct change){number(block + i * 8, 8), number(types + (size_t)kinds[i] * 6, 4)};
		if (i && zone->changes[i].at <= zone->changes[i - 1].at)
			return false;
		zone->count++;
	}
	return zone->changes != NULL;
}

/* "\nCET-1CEST,M3.5.0,M10.5.0/3\n"; an empty one says that there is none. */
static bool read_rule(struct jb_zone *zone, const uint8_t *footer, size_t len)
{
	char text[128];
	const uint8_t *end = len > 1 && footer[0] == '\n' ? memchr(footer + 1, '\n', len - 1) : NULL;
	size_t size = end ? (size_t)(end - footer) - 1 : sizeof(text);

	if (size >= sizeof(text))
		return false;
	memcpy(text, footer + 1, size);
	text[size] = '\0';
	zone->has_rule = size > 0;
	return !size || jb_zone_rule_parse(text, &zone->rule);
}

static bool read_file(struct jb_zone *zone, const uint8_t *bytes, size_t len)
{
	struct counts c;

	if (len < HEADER_SIZE || !read_counts(bytes, &c) || bytes[4] < '2')
		return false;
	size_t at = HEADER_SIZE + block_size(&c, 4); /* the same in 32 bits is passed over */
	if (len < at + HEADER_SIZE || !read_counts(bytes + at, &c))
		return false;
	at += HEADER_SIZE;
	/* One with leap seconds ("right/…") counts other instants than the kernel does. */
	if (c.leap || !c.type || len < at + block_size(&c, 8))
		return false;
	return read_changes(zone, bytes + at, &c) &&
	       read_rule(zone, bytes + at + block_size(&c, 8), len - at - block_size(&c, 8));
}

struct jb_zone *jb_zone_parse(const char *name, const uint8_t *bytes, size_t len, char *why, size_t why_size)
{
	struct jb_zone *zone = calloc(1, sizeof(*zone));

	snprintf(why, why_size, "out of memory");
	if (!zone)
		return NULL;
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	if (strcmp(name, "UTC") != 0 && !read_file(zone, bytes, len)) {
		snprintf(why, why_size, "the file of time zone %s cannot be understood", name);
		jb_zone_free(zone);
		return NULL;
	}
	return zone;
}

static bool is_zone_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-");

	return len > 0 && len <= NAME_LIMIT && !name[len] && name[0] != '/' && name[0] != '-';
}

/* Many names are links to others, and the directory is the system's own, as its libraries are. */
static ssize_t read_whole(const char *path, uint8_t *bytes, size_t size)
{
	JIT_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && len < size) {
		n = read(fd, bytes + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? -errno : n > 0 ? -EFBIG : (ssize_t)len;
}

struct jb_zone *jb_zone_new(const char *name, char *why, size_t why_size)
{
	char path[sizeof(DIRECTORY) + NAME_LIMIT + 1];
	uint8_t bytes[FILE_MAX] = {0}; /* for the analyzer, which cannot see how much was read */

	if (!is_zone_name(name)) {
		snprintf(why, why_size, "%.60s is no time zone; write one like Europe/Berlin, or UTC", name);
		return NULL;
	}
	snprintf(path, sizeof(path), DIRECTORY "/%s", name);
	ssize_t len = strcmp(name, "UTC") == 0 ? 0 : read_whole(path, bytes, sizeof(bytes));
	if (len < 0) {
		snprintf(why, why_size,
			 "time zone %s cannot be read (%s); is it written rightly, and tzdata installed?", name,
			 strerror((int)-len));
		return NULL;
	}
	return jb_zone_parse(name, bytes, (size_t)len, why, why_size);
}

void jb_zone_free(struct jb_zone *zone)
{
	if (zone)
		free(zone->changes);
	free(zone);
}

const char *jb_zone_name(const struct jb_zone *zone)
{
	return zone->name;
}

int64_t jb_zone_offset(const struct jb_zone *zone, int64_t at)
{
	size_t low = 0, high = zone->count; /* changes[low..] are after it */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->changes[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == zone->count && zone->has_rule)
		return jb_zone_rule_offset(&zone->rule, at);
	return low ? zone->changes[low - 1].offset : zone->before;
}
