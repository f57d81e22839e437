/* See pamd.h. */
#include "pamd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_service.h"
#include "pamd_file.h"
#include "text.h"

static void usage(FILE *to)
{
	fputs("Usage: jit-helper pam show [SERVICE...]\n"
	      "       jit-helper pam enable [--observe] [--dry-run] [--force] SERVICE... [-- ARGUMENT...]\n"
	      "       jit-helper pam disable [--dry-run] SERVICE... | --all\n"
	      "Puts the two pam_jit.so lines into /etc/pam.d/SERVICE, or takes them out again.\n\n"
	      "  --observe      the lines log what would happen, ask nobody and block nobody\n"
	      "  --dry-run      say what would be done, and change nothing\n"
	      "  --force        also where `jit doctor` would find an error or a lock-out\n"
	      "  --all          every line that this program wrote, in all files; lines that somebody\n"
	      "                 wrote by hand are commented out\n"
	      "  ARGUMENT       goes behind pam_jit.so on both lines: timeout=90\n\n"
	      "Only lines that end with \"# jit-helper pam\" are ever changed, but for --all. The file from\n"
	      "before is kept in " JH_PAMD_BEFORE ".\n"
	      "Exit status: 0 done, 1 refused or failed, 64 wrong usage, 69 not root or no such service.\n",
	      to);
}

/* From a package's removal: a file of PAM's must not get the number that output is written to. */
static bool hold_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Of distributions that have no common-* files. */
static bool is_only_included(const char *name)
{
	static const char *const included[] = {"common-",	 "system-auth",	     "password-auth", "postlogin",
					       "smartcard-auth", "fingerprint-auth", "other"};

	for (size_t i = 0; i < sizeof(included) / sizeof(included[0]); i++)
		if (strncmp(name, included[i], strlen(included[i])) == 0)
			return true;
	return false;
}

bool jh_pamd_is_service(const char *name)
{
	const char *why = NULL;
	char clean[64];

	jit_text_clean_str(clean, sizeof(clean), name);
	if (!name[0] || strlen(name) >= sizeof(clean) || strcmp(clean, name) != 0 || strpbrk(name, "/ "))
		why = "is no name of a PAM service";
	else if (is_only_included(name))
		why = "is no service but what services include: name the service, as sudo or sshd";
	else if (!jd_service_is_name(name))
		why = "looks like a file that an editor or a package left behind, and `jit doctor` does not judge "
		      "such: write its lines by hand";
	if (why)
		fprintf(stderr, "jit-helper pam: %s %s\n", clean[0] ? clean : "\"\"", why);
	return !why;
}

enum jh_pamd_exit jh_pamd_no_service(const char *name)
{
	fprintf(stderr, "jit-helper pam: no such service: there is neither %s/%s nor %s/%s\n", JH_PAMD_FOLDER, name,
		JH_PAMD_VENDOR, name);
	return JH_PAMD_NO_SERVICE;
}

static int wrong(const char *format, const char *what)
{
	fputs("jit-helper pam: ", stderr);
	fprintf(stderr, "%s%s\n\n", format, what);
	usage(stderr);
	return JH_PAMD_USAGE;
}

/* What stands behind "--" is the module's. -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct jh_pamd_options *ret)
{
	static const struct option known[] = {{"observe", no_argument, NULL, 'o'}, {"dry-run", no_argument, NULL, 'n'},
					      {"force", no_argument, NULL, 'f'},   {"all", no_argument, NULL, 'a'},
					      {"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0}};
	int before = 0, c;

	static char name[] = "jit-helper pam";

	*ret = (struct jh_pamd_options){0};
	argv[0] = name; /* for what getopt says */
	while (before < argc && strcmp(argv[before], "--") != 0)
		before++;
	if (before < argc) {
		ret->args = (const char *const *)argv + before + 1;
		ret->arg_count = argc - before - 1;
	}
	optind = 1;
	while ((c = getopt_long(before, argv, "", known, NULL)) != -1) {
		ret->observe = ret->observe || c == 'o';
		ret->dry_run = ret->dry_run || c == 'n';
		ret->force = ret->force || c == 'f';
		ret->all = ret->all || c == 'a';
		if (c == 'h' || c == '?') {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? JH_PAMD_DONE : JH_PAMD_USAGE;
		}
	}
	ret->services = argv + optind;
	ret->count = before - optind;
	return -1;
}

enum verb { SHOW, ENABLE, DISABLE };

static int check_options(enum verb verb, const struct jh_pamd_options *o)
{
	if (verb != ENABLE && (o->observe || o->force || o->arg_count))
		return wrong("--observe, --force and ARGUMENTs are for enable", "");
	if (verb != DISABLE && o->all)
		return wrong("--all is for disable; name the services", "");
	if (verb == SHOW && o->dry_run)
		return wrong("show changes nothing, with or without --dry-run", "");
	if (verb == DISABLE && o->all && o->count)
		return wrong("--all, or services by their names, not both: ", o->services[0]);
	if (verb != SHOW && !o->count && !o->all)
		return wrong("name a service, as sudo or sshd", "");
	for (int i = 0; i < o->count; i++)
		if (!jh_pamd_is_service(o->services[i]))
			return JH_PAMD_NO_SERVICE;
	for (int i = 0; i < o->count; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(o->services[i], o->services[k]) == 0)
				return wrong("named twice: ", o->services[i]);
	return -1;
}

static int change(enum verb verb, const struct jh_pamd_options *options)
{
	char why[JH_PAMD_WHY];
	JIT_CLOSE int lock = -1;

	if (geteuid() != 0) {
		fputs("jit-helper pam: only root may change PAM's files: run it with sudo\n", stderr);
		return JH_PAMD_NO_SERVICE;
	}
	if (!hold_standard_files()) {
		fputs("jit-helper pam: /dev/null cannot be opened\n", stderr);
		return JH_PAMD_REFUSED;
	}
	lock = jh_pamd_lock(why);
	if (lock < 0) {
		fprintf(stderr, "jit-helper pam: %s\n", why);
		return JH_PAMD_REFUSED;
	}
	if (!options->dry_run)
		jh_pamd_remove_leftovers();
	signal(SIGPIPE, SIG_IGN); /* whoever read the output has gone: what was begun is still brought to its end */
	if (verb == ENABLE)
		return (int)jh_pamd_enable(options);
	return (int)(options->all ? jh_pamd_disable_all(options) : jh_pamd_disable(options));
}

int jh_pamd(int argc, char **argv)
{
	static const char *const verbs[] = {"show", "enable", "disable"};
	struct jh_pamd_options options;
	enum verb verb = SHOW;
	int status;

	if (argc < 2)
		return wrong("say what: show, enable or disable", "");
	if (strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return JH_PAMD_DONE;
	}
	while (verb <= DISABLE && strcmp(argv[1], verbs[verb]) != 0)
		verb++;
	if (verb > DISABLE)
		return wrong("no such command: ", argv[1]);
	status = read_options(argc - 1, argv + 1, &options);
	if (status < 0)
		status = check_options(verb, &options);
	if (status >= 0)
		return status;
	return verb == SHOW ? (int)jh_pamd_show(&options) : change(verb, &options);
}
