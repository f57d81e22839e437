/* See pamd_files.h. */
#include "pamd_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_pam.h"
#include "pamd_file.h"

static void add_file(struct jh_pamd_files *files, const char *path)
{
	char *real = realpath(path, NULL);

	for (size_t i = 0; real && i < files->count; i++)
		if (strcmp(files->list[i], real) == 0) {
			free(real);
			return;
		}
	if (real && files->count < JH_PAMD_FILES_MAX)
		files->list[files->count++] = real;
	else if (real) {
		files->more = true;
		free(real);
	}
}

static void add_folder(struct jh_pamd_files *files, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			add_file(files, path);
	}
	if (dir)
		closedir(dir);
}

void jh_pamd_files_find(struct jh_pamd_files *files)
{
	add_folder(files, JH_PAMD_FOLDER);
	add_folder(files, JH_PAMD_VENDOR);
	add_file(files, JH_PAMD_OLD_CONF);
	/* What they include by a path from elsewhere; the list grows meanwhile. */
	for (size_t i = 0; i < files->count; i++) {
		struct jd_pam_stack *stack;

		if (jd_pam_read(files->list[i], jd_pam_open_host, NULL, &stack) < 0)
			continue;
		for (size_t n = 0; n < stack->file_count; n++)
			add_file(files, stack->files[n]);
		jd_pam_free(stack);
	}
}

void jh_pamd_files_clear(struct jh_pamd_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->list[i]);
	files->count = 0;
}
