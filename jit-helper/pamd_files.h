/* Every file that libpam might read on this host: where `jit-helper pam disable` looks for our lines. */
#ifndef JH_PAMD_FILES_H
#define JH_PAMD_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define JH_PAMD_OLD_CONF  "/etc/pam.conf" /* one file for all services; libpam reads it where /etc/pam.d is not */
#define JH_PAMD_FILES_MAX 1024

struct jh_pamd_files {
	char *list[JH_PAMD_FILES_MAX]; /* each once, links followed */
	size_t count;
	bool more; /* than can be held */
};

/* Those of PAM's folders, and what they include from elsewhere. */
void jh_pamd_files_find(struct jh_pamd_files *files);
void jh_pamd_files_clear(struct jh_pamd_files *files);

#endif
