/* The module's questions as the helper reads them: what is compared was clean as it came, what is shown is clean now.
 */
#include "conf.h"
#include "frame.h"
#include "fuzz.h"
#include "question.h"
#include "text.h"

static const char configuration[] = "[helper]\nbroker = https://b\n[service sudo]\nrole = admin\n[service sshd]\n"
				    "resume = no\nsilent_wait = 30s\n[service cron]\nnon_interactive = existing\n";

static void fail_conf(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
	abort();
}

static const struct jh_conf *conf(void)
{
	static struct jh_conf *read;

	if (!read)
		FUZZ_CHECK(jh_conf_parse("t.conf", configuration, fail_conf, NULL, &read) == 0);
	return read;
}

static void check_clean(const char *text)
{
	char clean[JIT_COMMAND_SIZE];

	jit_text_clean_str(clean, sizeof(clean), text);
	FUZZ_CHECK(strcmp(clean, text) == 0);
}

/* Byte by byte as it was sent. */
static void check_name(const struct jit_frame *f, enum jit_tag tag, const char *name)
{
	char sent[JIT_NAME_SIZE];

	jit_frame_get_str(f, (uint8_t)tag, sent, sizeof(sent));
	FUZZ_CHECK(strcmp(sent, name) == 0);
	check_clean(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jit_frame frame;
	struct jh_question q;
	char why[JIT_LINE_SIZE] = "", words[JH_ROLE_WORDS];

	if (size > JIT_FRAME_MAX)
		return 0;
	frame.len = size;
	memcpy(frame.data, data, size);
	if (size == 0 || jit_frame_check(&frame) < 0)
		return 0;
	if (jh_question_read(&frame, conf(), &q, why, sizeof(why)) < 0) {
		FUZZ_CHECK(why[0]);
		return 0;
	}
	FUZZ_CHECK(q.service[0] && q.app[0] && q.requester[0] && q.role[0] && q.wait_s > 0 && q.duration_s > 0);
	check_name(&frame, JIT_T_SERVICE, q.service);
	check_name(&frame, JIT_T_REQUESTER, q.requester);
	check_name(&frame, JIT_T_TARGET, q.target);
	check_clean(q.tty);
	check_clean(q.rhost);
	check_clean(q.command);
	check_clean(q.cwd);
	check_clean(q.reason);
	check_clean(q.ticket);
	FUZZ_CHECK(jh_question_deadline(1000, q.wait_s, 300) <= 301000 &&
		   jh_question_deadline(1000, q.wait_s, 300) > 1000);
	FUZZ_CHECK(*jh_role_words(q.role, words));
	return 0;
}
