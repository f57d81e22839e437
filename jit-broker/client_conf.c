/* See client_conf.h. */
#include "client_conf.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_private.h"
#include "cleanup.h"
#include "conf.h"
#include "inifile.h"
#include "safefile.h"
#include "text.h"

#define CA_MAX	  (8 << 20) /* bytes; some 30 times what a system's CAs take */
#define CONF_FILE ".config/jit-broker/client.conf"

static const char *home(void)
{
	const char *dir = getenv("HOME");
	const struct passwd *pw = dir && *dir == '/' ? NULL : getpwuid(getuid());

	return pw ? pw->pw_dir : dir;
}

static bool on_key(void *arg, const char *section, const char *name, const char *value, unsigned line, char *why,
		   size_t why_size)
{
	struct jb_client_conf *conf = arg;
	const struct {
		const char *name;
		char **field;
	} keys[] = {{"url", &conf->url}, {"ca", &conf->ca}, {"token_file", &conf->token_file}};

	(void)line;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !*section; i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (!*keys[i].field) /* the command line comes first */
			*keys[i].field = strdup(value);
		return true;
	}
	snprintf(why, why_size, "'%s' is not known here; the keys are url, ca and token_file, without a section", name);
	return false;
}

/* What stands in a file of theirs is text to a person's terminal as well. */
__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	char said[600], clean[600];
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	jit_text_clean_str(clean, sizeof(clean), said);
	fprintf(stderr, "%s\n", clean);
}

/* Not looked at where the command line says all of it: then it does not matter who can write there. */
static int read_own(struct jb_client_conf *conf)
{
	const char *dir = home();
	JIT_FREE char *path = NULL;

	if (conf->url && conf->ca && conf->token_file)
		return 0;
	if (asprintf(&path, "%s/" CONF_FILE, dir ? dir : "") < 0)
		path = NULL;
	if (path && access(path, F_OK) == 0 && jit_ini_read(path, false, on_key, jb_admin_error, conf) > 0)
		return -1;
	return 0;
}

/* A socket that listens everywhere is reached here. */
static const char *reachable(const char *address)
{
	if (strcmp(address, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(address, "::") == 0 ? "::1" : address;
}

/* The broker that runs here: no name is looked up, and its own certificate vouches for it. */
static int take_local(struct jb_client_conf *conf, const struct jb_conf *broker)
{
	const char *address = reachable(broker->listen_address);
	const bool v6 = strchr(address, ':') != NULL;

	if (asprintf(&conf->connect_to, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "", broker->listen_port) < 0) {
		conf->connect_to = NULL;
		return -1;
	}
	if (broker->url && broker->tls)
		conf->url = strdup(broker->url);
	else if (asprintf(&conf->url, "%s://%s", broker->tls ? "https" : "http", conf->connect_to) < 0)
		conf->url = NULL;
	if (!conf->ca && broker->tls)
		conf->ca = strdup(broker->tls_certificate);
	return conf->url && (conf->ca || !broker->tls) ? 0 : -1;
}

/* 0: whether there is one here or not; -1: its configuration is wrong, or memory ran out. */
static int look_for_local(struct jb_client_conf *conf)
{
	if (access(conf->broker, R_OK) < 0)
		return 0;
	struct jb_conf *broker = jb_conf_read(conf->broker, jb_admin_error, NULL);
	int r = broker ? take_local(conf, broker) : -1;
	jb_conf_free(broker);
	return r;
}

/* What stands before the end of standard input: in *ret_text of *ret_len bytes and a NUL. 0, or -1 with a sentence. */
static int read_standard_input(char **ret_text, size_t *ret_len, char *why, size_t why_size)
{
	char *text = malloc(JB_CLIENT_TOKEN_MAX + 1);
	size_t len = 0;
	ssize_t n = text ? 1 : -1;

	while (n > 0 && len <= JB_CLIENT_TOKEN_MAX) {
		n = read(STDIN_FILENO, text + len, JB_CLIENT_TOKEN_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n == 0 && len <= JB_CLIENT_TOKEN_MAX) {
		text[len] = '\0';
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
	snprintf(why, why_size, "standard input: %s", !text || n < 0 ? strerror(errno) : "it is longer than a token");
	if (text)
		explicit_bzero(text, JB_CLIENT_TOKEN_MAX + 1);
	free(text);
	return -1;
}

/* "Authorization: Bearer …" in buf. 0 or -1 with a sentence printed. */
static int read_token(const char *path, char *buf, size_t size)
{
	const struct jit_file_rule rule = {.secret = true, .max_size = JB_CLIENT_TOKEN_MAX};
	const bool piped = strcmp(path, "-") == 0;
	char why[512], *text;
	size_t len;
	int r = piped ? read_standard_input(&text, &len, why, sizeof(why))
		      : jit_file_read(path, &rule, &text, &len, why, sizeof(why));

	if (r < 0) {
		complain("jit-broker: %s", why);
		return -1;
	}
	size_t end = strcspn(text, " \t\r\n");
	bool ok = end > 0 && text[end + strspn(text + end, " \t\r\n")] == '\0';
	if (ok)
		snprintf(buf, size, "Authorization: Bearer %.*s", (int)end, text);
	else
		complain("jit-broker: %s must hold an approver's token and nothing else",
			 piped ? "standard input" : path);
	explicit_bzero(text, len);
	free(text);
	return ok ? 0 : -1;
}

/* Whoever can change it can answer in the broker's place. */
static int check_ca(const char *path)
{
	static const struct jit_file_rule rule = {.max_size = CA_MAX};
	char why[512];

	if (!path || jit_file_check(path, &rule, why, sizeof(why)) == 0)
		return 0;
	complain("jit-broker: ca: %s", why);
	return -1;
}

static bool is_known(const char *text)
{
	return text && *text;
}

int jb_client_conf_complete(struct jb_client_conf *conf)
{
	if (read_own(conf) < 0 || (!conf->url && look_for_local(conf) < 0) || check_ca(conf->ca) < 0)
		return -1;
	if (is_known(conf->url) && is_known(conf->token_file))
		return read_token(conf->token_file, conf->authorization, sizeof(conf->authorization));
	if (is_known(conf->url))
		complain("jit-broker: give --token-file, or write token_file into ~/" CONF_FILE);
	else
		complain("jit-broker: give --url and --token-file, or write url and token_file (and ca) into "
			 "~/" CONF_FILE);
	return -1;
}

void jb_client_conf_clear(struct jb_client_conf *conf)
{
	free(conf->url);
	free(conf->ca);
	free(conf->connect_to);
	free(conf->token_file);
	explicit_bzero(conf->authorization, sizeof(conf->authorization));
	*conf = (struct jb_client_conf){0};
}
