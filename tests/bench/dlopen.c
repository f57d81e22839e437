/* How long it takes to load a shared object into a process that has libpam: nanoseconds, and the libraries it brings.
 */
#include <dlfcn.h>
#include <link.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <time.h>

static int print_name(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	printf("%s\n", info->dlpi_name);
	return 0;
}

int main(int argc, char **argv)
{
	struct timespec before, after;

	if (argc != 2 || !pam_strerror(NULL, 0))
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &before);
	void *loaded = dlopen(argv[1], RTLD_NOW); /* as libpam does */
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (!loaded) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	printf("%lld\n", (long long)(after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec);
	dl_iterate_phdr(print_name, NULL);
	return 0;
}
