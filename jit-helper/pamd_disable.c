/*
 * `jit-helper pam disable`: our lines out of the files of services, or out of
 * every file there is. It judges nothing, needs no module and no helper: on a
 * host that is about to lose both, what names the module has to go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "doctor_file.h"
#include "doctor_module.h"
#include "doctor_walk.h"
#include "pamd.h"
#include "pamd_file.h"
#include "pamd_files.h"
#include "pamd_need.h"
#include "pamd_text.h"
#include "text.h"

static void print_line(const char *path, const struct jh_pamd_text *t, const struct jh_pamd_line *line,
		       const char *what)
{
	char clean[JH_PAMD_WHY];

	jit_text_clean(clean, sizeof(clean), t->text + line->from, strcspn(t->text + line->from, "\r\n"));
	printf("%s:%u: %s: %s\n", path, line->first, what, clean);
}

/* What becomes of a line that somebody wrote by hand, and of ours. */
static enum jh_pamd_deed deed_for(const struct jh_pamd_files *files, const struct jh_pamd_file *file,
				  const struct jh_pamd_line *line, bool all)
{
	bool by_hand = !line->marked;

	if (line->broken)
		return all ? JH_PAMD_COMMENT : JH_PAMD_KEEP;
	if (!line->module || (by_hand && (!all || !jd_module_is_ours(line->module))))
		return JH_PAMD_KEEP;
	switch (jh_pamd_need(files, &file->st, line)) {
	case JH_PAMD_CONSENT:
		return JH_PAMD_CONSENT_IN;
	case JH_PAMD_COUNTED:
		return JH_PAMD_STAND_IN;
	default:
		return by_hand ? JH_PAMD_COMMENT : JH_PAMD_DELETE;
	}
}

struct removal {
	struct jh_pamd_file file;
	struct jh_pamd_text text;
	enum jh_pamd_deed *deeds;
	size_t changes, foreign; /* lines that go; lines of that name that stay */
	char *made;
	size_t made_len;
};

static void removal_clear(struct removal *r)
{
	free(r->made);
	free(r->deeds);
	jh_pamd_text_clear(&r->text);
	jh_pamd_file_clear(&r->file);
}

/* Reads the file and decides. 0; -ENOENT; -errno with a sentence. */
static int plan(const struct jh_pamd_files *files, const char *path, bool all, struct removal *ret, char *why)
{
	*ret = (struct removal){0};
	int r = jh_pamd_file_read(path, &ret->file, why);
	if (r < 0)
		return r;
	snprintf(why, JH_PAMD_WHY, "out of memory");
	if (jh_pamd_text_read(ret->file.text, ret->file.len, strcmp(path, JH_PAMD_OLD_CONF) == 0, &ret->text) < 0)
		return -ENOMEM;
	ret->deeds = calloc(ret->text.count + 1, sizeof(*ret->deeds));
	if (!ret->deeds)
		return -ENOMEM;
	for (size_t i = 0; i < ret->text.count; i++) {
		ret->deeds[i] = deed_for(files, &ret->file, &ret->text.lines[i], all);
		ret->changes += ret->deeds[i] != JH_PAMD_KEEP;
		ret->foreign += ret->deeds[i] == JH_PAMD_KEEP && ret->text.lines[i].module;
	}
	return jh_pamd_text_edit(&ret->text, ret->deeds, &ret->made, &ret->made_len);
}

/* Is the rest of a copy of the vendor's file what it was copied from, then or now? */
static bool is_only_a_copy(const char *service, const char *rest, size_t len)
{
	static const char *const folders[] = {JH_PAMD_VENDOR, JH_PAMD_BEFORE};
	bool same = false;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && !same; i++) {
		char path[256], why[JH_PAMD_WHY];
		struct jh_pamd_file file;

		snprintf(path, sizeof(path), "%s/%s", folders[i], service);
		if (jh_pamd_file_read(path, &file, why) < 0)
			continue;
		same = file.len == len && memcmp(file.text, rest, len) == 0;
		jh_pamd_file_clear(&file);
	}
	return same;
}

/* A copy that we made of the vendor's file goes, or becomes the administrator's. 1: it has gone; 0; -errno. */
static int settle_copy(struct removal *r, const char *service, bool dry_run, char *why)
{
	if (strncmp(r->made, JH_PAMD_COPIED, strlen(JH_PAMD_COPIED)) != 0)
		return 0;
	size_t head = strcspn(r->made, "\n") + 1;
	if (head > r->made_len)
		return 0;
	if (is_only_a_copy(service, r->made + head, r->made_len - head)) {
		int removed = dry_run ? 0 : jh_pamd_file_remove(r->file.path, why);
		return removed < 0 ? removed : 1;
	}
	memmove(r->made, r->made + head, r->made_len - head + 1);
	r->made_len -= head;
	return 0;
}

/* Says how the file now compares to the one from before the first enable; where it is that one, the copy of it goes. */
static void settle_before(const struct removal *r, const char *service, bool gone, bool dry_run)
{
	char path[256], why[JH_PAMD_WHY];
	struct jh_pamd_file before;
	bool same = gone;

	snprintf(path, sizeof(path), JH_PAMD_BEFORE "/%s", service);
	if (!gone) {
		if (jh_pamd_file_read(path, &before, why) < 0)
			return;
		same = before.len == r->made_len && memcmp(before.text, r->made, before.len) == 0;
		jh_pamd_file_clear(&before);
	}
	if (gone)
		printf("%s: %s, and %s/%s counts again\n", r->file.path, dry_run ? "would be removed" : "removed",
		       JH_PAMD_VENDOR, service);
	else if (same)
		printf("%s: %s the file from before, byte for byte\n", service, dry_run ? "would be" : "is");
	else
		printf("%s: somebody else changed the file too; the one from before is kept as %s\n", service, path);
	if (same && !dry_run) {
		jh_pamd_file_remove(path, why);
		rmdir(JH_PAMD_BEFORE); /* the last one */
	}
}

static void tell_deeds(const struct removal *r, bool dry_run)
{
	static const char *const done[] = {"", "taken out", "commented out",
					   "commented out, and pam_permit.so put in its place, which jumps count",
					   ("commented out, and pam_permit.so put in its place, without which nobody "
					    "would get in")};

	for (size_t i = 0; i < r->text.count; i++) {
		char what[128];

		snprintf(what, sizeof(what), "%s%s", dry_run ? "would be " : "", done[r->deeds[i]]);
		if (r->deeds[i] != JH_PAMD_KEEP)
			print_line(r->file.path, &r->text, &r->text.lines[i], what);
	}
}

/* `service` NULL: the file is of no service, or not in /etc/pam.d. 0 or -errno with a sentence. */
static int carry_out(struct removal *r, const char *service, bool dry_run, char *why)
{
	int gone = service ? settle_copy(r, service, dry_run, why) : 0;
	int error = gone < 0 ? gone : 0;

	if (!gone && !dry_run)
		error = jh_pamd_file_replace(&r->file, r->made, r->made_len, why);
	if (error < 0)
		return error;
	tell_deeds(r, dry_run);
	if (service)
		settle_before(r, service, gone > 0, dry_run);
	return 0;
}

/* Lines that still gate the service: of another file that it includes, or written by hand. */
static void tell_what_stays(const char *service)
{
	struct jd_pam_stack *stack;

	if (jd_pam_read(service, jd_pam_open_host, NULL, &stack) < 0)
		return;
	for (size_t i = 0; i < stack->count; i++)
		if (jd_is_ours(&stack->lines[i]))
			printf("%s: still has the pam_jit.so line %s:%u, which %s\n", service, stack->lines[i].file,
			       stack->lines[i].line,
			       jh_pamd_is_written_by_us(stack->lines[i].file, stack->lines[i].line)
				       ? "stands in a file that it includes: disable that service"
				       : "was written by hand: take it out by hand");
	jd_pam_free(stack);
}

static enum jh_pamd_exit disable_one(const struct jh_pamd_files *files, const char *service, bool dry_run)
{
	char path[256], why[JH_PAMD_WHY];
	struct removal removal;
	enum jh_pamd_exit status = JH_PAMD_DONE;
	struct stat st;

	snprintf(path, sizeof(path), JH_PAMD_FOLDER "/%s", service);
	int r = plan(files, path, false, &removal, why);
	if (r == -ENOENT) {
		snprintf(path, sizeof(path), JH_PAMD_VENDOR "/%s", service);
		if (lstat(path, &st) < 0)
			return jh_pamd_no_service(service);
		r = 0;
	}
	if (r == 0 && removal.changes)
		r = carry_out(&removal, service, dry_run, why);
	else if (r == 0)
		printf("%s: none of jit-helper's lines stands in %s\n", service, path);
	if (r < 0) {
		fprintf(stderr, "%s: failed, and its file is as it was: %s\n", service, why);
		status = JH_PAMD_REFUSED;
	}
	if (!dry_run)
		tell_what_stays(service);
	removal_clear(&removal);
	return status;
}

enum jh_pamd_exit jh_pamd_disable(const struct jh_pamd_options *options)
{
	static struct jh_pamd_files files;
	enum jh_pamd_exit status = JH_PAMD_DONE;

	jh_pamd_files_find(&files);
	for (int i = 0; i < options->count; i++) {
		enum jh_pamd_exit one = disable_one(&files, options->services[i], options->dry_run);
		status = one > status ? one : status;
	}
	jh_pamd_files_clear(&files);
	if (status == JH_PAMD_DONE && !options->dry_run)
		printf("Next: jit doctor%s%s\n", options->count == 1 ? " --service " : "",
		       options->count == 1 ? options->services[0] : "");
	return status;
}

/* Whoever may have written it, and however it lies there. */
static bool file_names_module(const char *path)
{
	int found = jd_file_has(path, JD_OURS);

	return found != 0 && found != -ENOENT;
}

static const char *service_of(const char *path)
{
	const size_t folder = strlen(JH_PAMD_FOLDER "/");

	return strncmp(path, JH_PAMD_FOLDER "/", folder) == 0 && !strchr(path + folder, '/') ? path + folder : NULL;
}

/* 0; 1: something of ours is left, and why was said. */
static int clean_file(const struct jh_pamd_files *files, const char *path, bool dry_run, size_t *ret_changed)
{
	struct removal removal = {0};
	char why[JH_PAMD_WHY];

	if (!file_names_module(path))
		return 0;
	int r = plan(files, path, true, &removal, why);
	if (r == 0 && removal.changes) {
		r = carry_out(&removal, service_of(path), dry_run, why);
		*ret_changed += r == 0;
	}
	for (size_t i = 0; r == 0 && i < removal.text.count; i++)
		if (removal.deeds[i] == JH_PAMD_KEEP && removal.text.lines[i].module)
			print_line(path, &removal.text, &removal.text.lines[i],
				   "left alone, it means another project's module");
	removal_clear(&removal);
	if (r < 0)
		fprintf(stderr, "%s: failed: %s\n", path, why);
	return r < 0;
}

/* Looks again at what stands there now. */
static bool has_line_of_ours(const struct jh_pamd_files *files, const char *path)
{
	struct removal removal = {0};
	char why[JH_PAMD_WHY];
	bool left = file_names_module(path) && (plan(files, path, true, &removal, why) < 0 || removal.changes);

	removal_clear(&removal);
	return left;
}

enum jh_pamd_exit jh_pamd_disable_all(const struct jh_pamd_options *options)
{
	static struct jh_pamd_files files;
	size_t changed = 0;
	int left = 0;

	jh_pamd_files_find(&files);
	for (size_t i = 0; i < files.count; i++)
		left += clean_file(&files, files.list[i], options->dry_run, &changed);
	for (size_t i = 0; i < files.count && !left && !options->dry_run; i++)
		left += has_line_of_ours(&files, files.list[i]);
	left += files.more;
	jh_pamd_files_clear(&files);
	if (left) {
		fputs("jit-helper pam: lines of pam_jit.so are left in PAM's files: without the module they refuse "
		      "everybody. Take them out by hand before it goes.\n",
		      stderr);
		return JH_PAMD_REFUSED;
	}
	if (!changed)
		puts("no line of PAM's files names pam_jit.so: nothing was to be done");
	return JH_PAMD_DONE;
}
