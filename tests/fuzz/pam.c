/* See pam.h. Everything the module says passes here, and has to be clean text. */
#include "pam.h"

#include "libc.h"
#include "text.h"

#include <security/pam_ext.h>
#include <stdarg.h>
#include <syslog.h>

static void check_text(const char *text)
{
	static char clean[32768];

	jit_text_clean_str(clean, sizeof(clean), text);
	FUZZ_CHECK(strcmp(clean, text) == 0);
}

int pam_get_item(const pam_handle_t *pamh, int type, const void **ret)
{
	static const struct pam_conv conv = {.conv = (int (*)(int, const struct pam_message **, struct pam_response **,
							      void *))(void *)pam_get_item};

	if (world_fails())
		return PAM_BUF_ERR;
	switch (type) {
	case PAM_SERVICE:
		*ret = pamh->service;
		break;
	case PAM_USER:
		*ret = pamh->user;
		break;
	case PAM_RUSER:
		*ret = pamh->ruser;
		break;
	case PAM_TTY:
		*ret = pamh->tty;
		break;
	case PAM_RHOST:
		*ret = pamh->rhost;
		break;
	case PAM_CONV:
		*ret = pamh->has_conv ? &conv : NULL;
		break;
	default:
		FUZZ_NEVER("an item that the module has no use for");
	}
	return PAM_SUCCESS;
}

static char **find_env(const pam_handle_t *pamh, const char *name, size_t len)
{
	for (size_t i = 0; i < PAM_ENVS; i++)
		if (pamh->env[i] && strncmp(pamh->env[i], name, len) == 0 && pamh->env[i][len] == '=')
			return (char **)&pamh->env[i];
	return NULL;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name)
{
	char **at = find_env(pamh, name, strlen(name));

	return at ? *at + strlen(name) + 1 : NULL;
}

/* Nothing but what is ours may be set: whoever speaks for the helper chooses no PATH. */
int pam_putenv(pam_handle_t *pamh, const char *text)
{
	size_t len = strcspn(text, "="), i = 0;
	char **at = find_env(pamh, text, len);

	FUZZ_CHECK(strncmp(text, "JIT_", 4) == 0 || strncmp(text, "AWS_", 4) == 0);
	check_text(text);
	if (world_fails()) {
		world.undo_failed |= !text[len];
		return PAM_BUF_ERR;
	}
	if (at) {
		free(*at);
		*at = NULL;
	}
	if (!text[len])
		return at ? PAM_SUCCESS : PAM_BAD_ITEM;
	while (i < PAM_ENVS && pamh->env[i])
		i++;
	FUZZ_CHECK(i < PAM_ENVS && (pamh->env[i] = strdup(text)));
	return PAM_SUCCESS;
}

int pam_set_data(pam_handle_t *pamh, const char *name, void *data,
		 void (*cleanup)(pam_handle_t *pamh, void *data, int status))
{
	(void)name;
	if (data && world_fails())
		return PAM_BUF_ERR;
	if (pamh->data)
		pamh->cleanup(pamh, pamh->data, PAM_DATA_REPLACE);
	pamh->data = data;
	pamh->cleanup = cleanup;
	return PAM_SUCCESS;
}

int pam_get_data(const pam_handle_t *pamh, const char *name, const void **ret)
{
	(void)name;
	*ret = pamh->data;
	return pamh->data ? PAM_SUCCESS : PAM_NO_MODULE_DATA;
}

static char *answer(pam_handle_t *pamh)
{
	switch (pamh->person) {
	case PERSON_IS_HOSTILE:
		return strdup("\033]0;x\007\xe2\x80\xae\xff");
	case PERSON_IS_SLOW:
		world.now_ms += 40000;
		pamh->talked_ms += 40000;
		return strdup("at last");
	default:
		return strdup("because");
	}
}

int pam_prompt(pam_handle_t *pamh, int style, char **response, const char *format, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	check_text(text);
	pamh->shown++;
	pamh->errors += style == PAM_ERROR_MSG;
	FUZZ_CHECK((response != NULL) == (style == PAM_PROMPT_ECHO_ON || style == PAM_PROMPT_ECHO_OFF));
	if (response)
		*response = NULL;
	if (world_fails() || !pamh->has_conv || (response && pamh->person == PERSON_IS_NONE))
		return PAM_CONV_ERR;
	if (response && pamh->person != PERSON_IS_EMPTY) {
		*response = answer(pamh);
		world.blocks++; /* the module's to free */
	}
	return PAM_SUCCESS;
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...)
{
	static char text[32768];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	check_text(text);
	((pam_handle_t *)pamh)->logged += priority != LOG_DEBUG;
}

void fuzz_pam_end(struct pam_handle *pamh)
{
	if (pamh->data)
		pamh->cleanup(pamh, pamh->data, PAM_SUCCESS);
	pamh->data = NULL;
	for (size_t i = 0; i < PAM_ENVS; i++)
		free(pamh->env[i]);
}
