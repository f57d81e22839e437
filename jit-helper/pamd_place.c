/* See pamd_place.h. */
#include "pamd_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "doctor_walk.h"
#include "pamd_text.h"

#define LINE_ROOM 900 /* libpam's line has 1024 */
#define FOLDER	  "/etc/pam.d/"

/* Where not being asked is part of what root does there: its jobs, its pkexec (as in examples/). */
static const char *const root_spared[] = {"cron", "crond", "atd", "polkit-1"};

static bool is_in_words(const struct jh_pamd_wish *wish, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < wish->count; i++)
		if (strncmp(wish->words[i], name, len) == 0 && (!wish->words[i][len] || wish->words[i][len] == '='))
			return true;
	return false;
}

static const char *app_word(const char *service)
{
	static const char *const words[] = {
		[PJ_SUDO] = "app=sudo",	  [PJ_SU] = "app=su",	      [PJ_SSHD] = "app=sshd",
		[PJ_LOGIN] = "app=login", [PJ_POLKIT] = "app=polkit", [PJ_OTHER] = "app=other"};

	return words[pj_app_of_service(service)];
}

/* What would not be one word of one line any more. */
static bool is_plain(const char *word)
{
	if (!*word || strlen(word) > LINE_ROOM / 2)
		return false;
	for (const char *p = word; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("#[]\\", *p))
			return false;
	return true;
}

int jh_pamd_wish(const char *service, bool observe, int argc, const char *const *argv, struct jh_pamd_wish *ret,
		 char *why, size_t why_size)
{
	struct jh_pamd_wish wish = {0};
	size_t room = 0;

	for (int i = 0; i < argc; i++) {
		room += strlen(argv[i]) + 1;
		if (argc > JH_PAMD_ARGS_MAX - 3 || room > LINE_ROOM || !is_plain(argv[i])) {
			snprintf(why, why_size,
				 "the arguments behind -- are too many or too long, or one has a blank, a bracket, a # "
				 "or a \\ in it, which PAM reads otherwise");
			return -EINVAL;
		}
		wish.words[wish.count++] = argv[i];
	}
	if (!is_in_words(&wish, "app")) {
		memmove(wish.words + 1, wish.words, (size_t)wish.count * sizeof(wish.words[0]));
		wish.words[0] = app_word(service);
		wish.count++;
	}
	for (size_t i = 0; i < sizeof(root_spared) / sizeof(root_spared[0]); i++)
		if (strcmp(service, root_spared[i]) == 0 && !is_in_words(&wish, "exempt_user"))
			wish.words[wish.count++] = "exempt_user=root";
	if (observe && !is_in_words(&wish, "observe"))
		wish.words[wish.count++] = "observe";
	if (pj_args_parse(wish.count, wish.words, service, &wish.args, why, why_size) < 0)
		return -EINVAL;
	if (wish.args.has_login_grace && wish.args.app != PJ_SSHD) {
		snprintf(why, why_size,
			 "the argument \"login_grace\" of pam_jit.so is for sshd, and means nothing in %s", service);
		return -EINVAL;
	}
	*ret = wish;
	return 0;
}

bool jh_pamd_is_file_of(const char *service, const char *name)
{
	return strcmp(strncmp(name, FOLDER, strlen(FOLDER)) == 0 ? name + strlen(FOLDER) : name, service) == 0;
}

int jh_pamd_overlay_open(void *arg, const char *name, char **ret_text, size_t *ret_len, char **ret_path)
{
	const struct jh_pamd_overlay *o = arg;

	if (!jh_pamd_is_file_of(o->service, name))
		return o->base->open(o->base->arg, name, ret_text, ret_len, ret_path);
	char *text = malloc(o->len + 1), *path;
	if (!text || asprintf(&path, FOLDER "%s", o->service) < 0) {
		free(text);
		return -ENOMEM;
	}
	memcpy(text, o->text, o->len);
	text[o->len] = '\0';
	*ret_text = text;
	*ret_len = o->len;
	*ret_path = path;
	return 0;
}

static int read_stack(const char *service, const char *text, size_t len, const struct jd_pam_source *from,
		      struct jd_pam_stack **ret)
{
	struct jh_pamd_overlay overlay = {.service = service, .text = text, .len = len, .base = from};

	return jd_pam_read(service, jh_pamd_overlay_open, &overlay, ret);
}

/* sudo runs its command when one before ours fails with PAM_SESSION_ERR; an optional pam_keyinit cannot. */
static bool may_go_first(const struct jd_pam_stack *stack, const struct jd_pam_line *ours, const struct jd_ways *ways)
{
	for (const struct jd_pam_line *line = stack->lines; line < ours; line++)
		if (line->phase == ours->phase && strcmp(jd_pam_module_name(line), "pam_keyinit.so") != 0)
			return false;
	return !ways->unheard_line || ways->unheard_line >= ours;
}

/* How far behind it stands there, counted in lines of its phase; -1: not there. */
static int judge_place(const char *service, const char *text, size_t len, enum jd_phase phase, bool first,
		       const struct jd_pam_source *from)
{
	struct jd_pam_stack *stack;
	const struct jd_pam_line *ours;
	struct jd_ways ways;
	int depth = -1;

	if (read_stack(service, text, len, from, &stack) < 0)
		return -1;
	ours = jd_our_line(stack, phase, NULL);
	if (ours && jd_walk_ways(stack, phase, PAM_PERM_DENIED, &ways) == 0 && !ways.past &&
	    !jd_walk_leapt(stack, ours) && (!first || may_go_first(stack, ours, &ways))) {
		depth = 0;
		for (const struct jd_pam_line *line = stack->lines; line < ours; line++)
			depth += line->phase == phase;
	}
	jd_pam_free(stack);
	return depth;
}

/* The last place of all, as close behind what it comes after as can be; or, of the first ones, the last. */
struct best {
	char *text;
	size_t len;
	int depth;
};

static int try_place(struct best *best, const char *service, const char *text, size_t len, size_t at,
		     enum jd_phase phase, bool first, const char *line, const struct jd_pam_source *from)
{
	char *made;
	size_t made_len;

	if (jh_pamd_text_insert(text, len, at, line, &made, &made_len) < 0)
		return -ENOMEM;
	int depth = judge_place(service, made, made_len, phase, first, from);
	if (depth >= 0 && (depth > best->depth || (first && depth == best->depth))) {
		free(best->text);
		*best = (struct best){.text = made, .len = made_len, .depth = depth};
	} else {
		free(made);
	}
	return 0;
}

/* 0; -ENOMEM; -ENOENT: no place will do. */
static int place_line(const char *service, const char *text, size_t len, enum jd_phase phase, bool first,
		      const char *line, const struct jd_pam_source *from, char **ret, size_t *ret_len)
{
	struct best best = {.depth = -1};
	struct jh_pamd_text t;
	bool begun = false;
	int r = jh_pamd_text_read(text, len, false, &t);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < t.count; i++) {
		if (t.lines[i].phase != phase && !t.lines[i].includes)
			continue;
		if (!begun)
			r = try_place(&best, service, text, len, t.lines[i].from, phase, first, line, from);
		begun = true;
		if (r == 0)
			r = try_place(&best, service, text, len, t.lines[i].to, phase, first, line, from);
	}
	jh_pamd_text_clear(&t);
	if (r == 0 && !best.text)
		r = -ENOENT;
	if (r < 0) {
		free(best.text);
		return r;
	}
	*ret = best.text;
	*ret_len = best.len;
	return 0;
}

/* JH_PAMD_PLACED: there is something to be done. */
static enum jh_pamd_placing look_before(const char *service, const struct jd_pam_stack *stack,
					const struct jh_pamd_wish *wish, char *why, size_t why_size)
{
	const struct jd_pam_line *account = jd_our_line(stack, JD_ACCOUNT, NULL),
				 *session = jd_our_line(stack, JD_SESSION, NULL);
	const struct jd_pam_line *ours = account ? account : session;
	bool observed = false;

	for (int i = 0; ours && i < ours->argc; i++)
		observed = observed || strcmp(ours->argv[i], "observe") == 0;
	if (account && session && observed == wish->args.observe) {
		snprintf(why, why_size, "%s:%u and %s:%u", account->file, account->line, session->file, session->line);
		return JH_PAMD_INCLUDED;
	}
	if (ours) {
		snprintf(
			why, why_size,
			"it includes %s, whose line %u names pam_jit.so already: change it there, or take it out there "
			"first",
			ours->file, ours->line);
		return JH_PAMD_NOWHERE;
	}
	for (enum jd_phase phase = JD_ACCOUNT; phase <= JD_SESSION; phase++) {
		if (!stack->from_other[phase])
			continue;
		snprintf(why, why_size,
			 "its file has no %s line, so PAM takes those of /etc/pam.d/other, and a line of ours would "
			 "replace them all: write \"%s  include  other\" into /etc/pam.d/%s, and run this again",
			 jd_pam_phase_name(phase), jd_pam_phase_name(phase), service);
		return JH_PAMD_NOWHERE;
	}
	return JH_PAMD_PLACED;
}

static void write_line(char *buf, size_t size, enum jd_phase phase, const struct jh_pamd_wish *wish)
{
	size_t used = (size_t)snprintf(buf, size, "%s  required  pam_jit.so", jd_pam_phase_name(phase));

	for (int i = 0; i < wish->count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, " %s", wish->words[i]);
	if (used < size)
		snprintf(buf + used, size - used, "  " JH_PAMD_MARK);
}

static enum jh_pamd_placing place_both(const char *service, const char *text, size_t len,
				       const struct jh_pamd_wish *wish, const struct jd_pam_source *from, char **ret,
				       size_t *ret_len, char *why, size_t why_size)
{
	enum jd_phase phase = JD_ACCOUNT;
	char line[LINE_ROOM + 128];
	char *with_account;
	size_t account_len;

	write_line(line, sizeof(line), phase, wish);
	int r = place_line(service, text, len, phase, false, line, from, &with_account, &account_len);
	if (r == 0) {
		phase = JD_SESSION;
		write_line(line, sizeof(line), phase, wish);
		r = place_line(service, with_account, account_len, phase, wish->args.app == PJ_SUDO, line, from, ret,
			       ret_len);
		free(with_account);
	}
	if (r == -ENOENT)
		snprintf(why, why_size,
			 "there is no place among its %s lines that others before it cannot end or jump over: put the "
			 "lines in by hand, and let `jit doctor` judge them",
			 jd_pam_phase_name(phase));
	return r == 0 ? JH_PAMD_PLACED : r == -ENOENT ? JH_PAMD_NOWHERE : JH_PAMD_NO_MEMORY;
}

enum jh_pamd_placing jh_pamd_place(const char *service, const char *text, size_t len, const struct jh_pamd_wish *wish,
				   const struct jd_pam_source *from, char **ret, size_t *ret_len, char *why,
				   size_t why_size)
{
	struct jd_pam_stack *stack;

	if (read_stack(service, text, len, from, &stack) < 0)
		return JH_PAMD_NO_MEMORY;
	enum jh_pamd_placing placing = look_before(service, stack, wish, why, why_size);
	jd_pam_free(stack);
	if (placing != JH_PAMD_PLACED)
		return placing;
	return place_both(service, text, len, wish, from, ret, ret_len, why, why_size);
}
