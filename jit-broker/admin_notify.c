/* `jit-broker notify`: does a receiver get what it is sent, and what waits for whom, and why? */
#include <event2/event.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "admin_private.h"
#include "cleanup.h"
#include "clock.h"
#include "conf.h"
#include "courier.h"
#include "exit.h"
#include "outbox.h"
#include "text.h"
#include "uuid.h"

#define PAGE 500 /* rows read at once */

static const char how[] = "notify [--config FILE] test NAME | list";

/* test */

struct test {
	struct event_base *base;
	const struct jb_conf *conf;
	struct jb_brought_result result;
	bool came;
};

static void on_brought(void *arg, const struct jb_brought_result *result)
{
	struct test *test = arg;

	test->result = *result;
	test->came = true;
	event_base_loopbreak(test->base);
}

/* One message, and what came back. */
static bool try_receiver(struct test *test, const char *channel, const char *receiver)
{
	static char event[] = "notify.test", about[] = "test";
	char doc[512], iso[JIT_ISO_SIZE], short_id[JIT_SHORT_SIZE], why[256];
	struct jb_notice notice = {.channel = (char *)(uintptr_t)channel,
				   .receiver = (char *)(uintptr_t)receiver,
				   .about = about,
				   .event = event,
				   .doc = doc,
				   .at = jit_wall_s()};
	struct jb_courier *courier = jb_courier_new(test->base, test->conf, channel, why, sizeof(why));

	if (!courier) {
		printf("%s: not taken: %s\n", receiver, why);
		return false;
	}
	jit_iso_format(notice.at, iso);
	snprintf(doc, sizeof(doc),
		 "{\"type\":\"notify.test\",\"timestamp\":\"%s\",\"data\":{\"message\":\"This is a test of "
		 "jit-broker's notifications. Nobody asked for anything.\"}}",
		 iso);
	test->came = false;
	test->result = (struct jb_brought_result){.how = JB_BROUGHT_TROUBLE, .why = "no randomness"};
	if (jit_uuid_new(notice.id, short_id) == 0 &&
	    jb_courier_send(courier, &notice, notice.at, on_brought, test, &test->result))
		event_base_dispatch(test->base);
	jb_courier_free(courier);
	const bool taken = test->came && test->result.how == JB_BROUGHT;
	printf("%s: %staken: %s\n", receiver, taken ? "" : "not ", test->result.why);
	return taken;
}

static bool try_list(struct test *test, const struct jb_mail_list *list)
{
	bool taken = true;

	for (size_t i = 0; i < list->to.count; i++) {
		char receiver[512];

		snprintf(receiver, sizeof(receiver), "list:%s:%s", list->name, list->to.word[i]);
		taken &= try_receiver(test, JB_CHANNEL_MAIL, receiver);
	}
	return taken;
}

/* Everything that has this name: a webhook, a mail list, a person with an address. */
static int try_name(const struct jb_conf *conf, const char *name)
{
	struct test test = {.base = event_base_new(), .conf = conf};
	const struct jb_webhook *webhook = jb_conf_webhook(conf, name);
	const struct jb_mail_list *list = jb_conf_mail_list(conf, name);
	const struct jb_person *person = jb_conf_person(conf, name);
	char receiver[128];
	bool taken = test.base != NULL;

	if (!webhook && !list && !(person && person->mail)) {
		fprintf(stderr,
			"jit-broker: there is no [webhook %s], no [mail %s] and no [person %s] with mail in %s\n", name,
			name, name, conf->path);
		taken = false;
	}
	if (test.base && webhook) {
		snprintf(receiver, sizeof(receiver), "webhook:%s", name);
		taken &= try_receiver(&test, receiver, receiver);
	}
	if (test.base && list)
		taken &= try_list(&test, list);
	if (test.base && person && person->mail) {
		snprintf(receiver, sizeof(receiver), "approver:%s", name);
		taken &= try_receiver(&test, JB_CHANNEL_MAIL, receiver);
	}
	if (test.base)
		event_base_free(test.base);
	return taken ? JB_EXIT_OK : JB_EXIT_FAILED;
}

/* list */

static void print_row(const struct jb_outbox_row *row)
{
	char since[JIT_ISO_SIZE], next[JIT_ISO_SIZE], receiver[64], event[32], about[64], why[256];

	jit_iso_format(row->notice.at, since);
	jit_iso_format(row->due, next);
	jit_text_clean_str(receiver, sizeof(receiver), row->notice.receiver);
	jit_text_clean_str(event, sizeof(event), row->notice.event);
	jit_text_clean_str(about, sizeof(about), row->notice.about);
	jit_text_clean_str(why, sizeof(why), row->error ? row->error : "-");
	printf("%s  %-24s %-22s %-36s %-20s %-20s %5u  %s\n", row->notice.id, receiver, event, about, since, next,
	       row->tries, why);
}

static int list(struct jb_store *store)
{
	struct jb_outbox_rows rows = {0};
	int64_t after = 0;

	printf("%-36s  %-24s %-22s %-36s %-20s %-20s %5s  %s\n", "DELIVERY", "RECEIVER", "EVENT", "ABOUT", "SINCE",
	       "NOT BEFORE", "TRIES", "LAST ERROR");
	do {
		jb_outbox_rows_clear(&rows);
		if (jb_outbox_list(store, after, PAGE, &rows) < 0) {
			fprintf(stderr, "jit-broker: the outbox could not be read: %s\n", jb_store_error(store));
			return JB_EXIT_FAILED;
		}
		for (size_t i = 0; i < rows.count; i++)
			print_row(&rows.row[i]);
		after = rows.count ? rows.row[rows.count - 1].seq : after;
	} while (rows.count);
	return fflush(stdout) == 0 && !ferror(stdout) ? JB_EXIT_OK : JB_EXIT_FAILED;
}

static int list_of(const struct jb_conf *conf)
{
	STORE *store = jb_admin_store(conf, false);

	return store ? list(store) : JB_EXIT_FAILED;
}

int jb_cmd_notify(int argc, char **argv)
{
	if (jb_admin_wants_help(argc, argv))
		return jb_admin_help(how);
	const char *path = jb_admin_config(argc, argv);
	const char *what = path && optind < argc ? argv[optind] : "";
	const int names = path ? argc - optind - 1 : 0;

	if (!(strcmp(what, "list") == 0 && names == 0) && !(strcmp(what, "test") == 0 && names == 1))
		return jb_admin_usage(how);
	CONF *conf = jb_conf_read(path, jb_admin_error, NULL);
	if (!conf)
		return JB_EXIT_FAILED;
	return strcmp(what, "list") == 0 ? list_of(conf) : try_name(conf, argv[optind + 1]);
}
