/* See aws_role.h. */
#include "aws_role.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awsrole.h"
#include "fetch.h"
#include "log.h"

#define IMDS	  "imds"
#define IMDS_AT	  IMDS ":"
#define CONTAINER "container"
#define WORDS	  4 /* each of the configuration's keys may have another */
#define WORD_SIZE 128

/* The process has one role in each place, whoever asks: so this is the process's too. */
static struct {
	struct event_base *base;
	bool is_own; /* nobody else turns it */
	struct place {
		char word[WORD_SIZE];
		struct jit_awsrole *role; /* NULL: why says why */
		char why[256];
	} place[WORDS];
	size_t count;
} here;

bool jb_aws_role_is_word(const char *text)
{
	return strcmp(text, IMDS) == 0 || strcmp(text, CONTAINER) == 0 || strncmp(text, IMDS_AT, strlen(IMDS_AT)) == 0;
}

bool jb_aws_role_check(const char *word, char *why, size_t why_size)
{
	if (strncmp(word, IMDS_AT, strlen(IMDS_AT)) != 0 ||
	    (strlen(word) < WORD_SIZE && jit_fetch_is_plain_loopback(word + strlen(IMDS_AT))))
		return true;
	snprintf(why, why_size, "%.80s is for tests, and must be http:// to this machine; write imds", word);
	return false;
}

static struct jit_awsrole *open_container(char *why, size_t why_size)
{
	const struct jit_awsrole_container container = {
		.relative_uri = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
		.full_uri = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
		.token_file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
		.token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
	};

	return jit_awsrole_container_new(here.base, &container, why, why_size);
}

static void open_place(struct place *place)
{
	if (!jb_aws_role_check(place->word, place->why, sizeof(place->why)))
		return;
	snprintf(place->why, sizeof(place->why), "out of memory");
	place->role = strcmp(place->word, CONTAINER) == 0
			      ? open_container(place->why, sizeof(place->why))
			      : jit_awsrole_imds_new(here.base,
						     place->word[strlen(IMDS)] ? place->word + strlen(IMDS_AT) : NULL);
}

/* NULL: out of memory, or of places. */
static struct place *place_of(const char *word)
{
	for (size_t i = 0; i < here.count; i++)
		if (strcmp(here.place[i].word, word) == 0)
			return &here.place[i];
	if (!here.base && (here.base = event_base_new()))
		here.is_own = true;
	if (!here.base || here.count == WORDS || strlen(word) >= WORD_SIZE)
		return NULL;
	struct place *place = &here.place[here.count++];
	snprintf(place->word, sizeof(place->word), "%s", word);
	open_place(place);
	return place;
}

void jb_aws_role_stop(void)
{
	for (size_t i = 0; i < here.count; i++)
		jit_awsrole_free(here.place[i].role);
	if (here.is_own)
		event_base_free(here.base);
	memset(&here, 0, sizeof(here));
}

/* What starts without its keys says so once; who asks for something then hears it each time. */
static void tell_missing(const struct place *place)
{
	if (!place->role)
		jit_log(LOG_WARNING, "%s: there are no AWS credentials: %s", place->word, place->why);
	else if (!jit_awsrole_keys(place->role))
		jit_log(LOG_WARNING, "%s: there are no AWS credentials yet: %s; they are asked for again", place->word,
			jit_awsrole_trouble(place->role));
}

void jb_aws_role_serve(struct event_base *base, const struct jb_conf *conf)
{
	const char *const words[WORDS] = {conf->store_credentials, conf->issuer_credentials, conf->workflow_credentials,
					  conf->ssm_credentials};

	jb_aws_role_stop();
	here.base = base;
	for (size_t i = 0; i < WORDS; i++) {
		const struct place *place = words[i] && jb_aws_role_is_word(words[i]) ? place_of(words[i]) : NULL;

		if (place && place->role)
			jit_awsrole_wait(place->role);
	}
	for (size_t i = 0; i < here.count; i++)
		tell_missing(&here.place[i]);
}

/* Where nobody turns the loop, what is due there is done now. */
static const struct jit_awsrole_keys *keys_of(struct jit_awsrole *role)
{
	const struct jit_awsrole_keys *keys = NULL;

	if (here.is_own)
		event_base_loop(here.base, EVLOOP_NONBLOCK);
	keys = jit_awsrole_keys(role);
	if (keys || !here.is_own)
		return keys;
	jit_awsrole_wait(role);
	return jit_awsrole_keys(role);
}

static bool copy(struct jit_span span, char *buf, size_t size)
{
	if (span.len >= size)
		return false;
	memcpy(buf, span.at, span.len);
	buf[span.len] = '\0';
	return true;
}

int jb_aws_role_read(const char *word, struct jb_aws_keys *ret, char *why, size_t why_size)
{
	struct place *place = place_of(word);
	const struct jit_awsrole_keys *keys = place && place->role ? keys_of(place->role) : NULL;

	*ret = (struct jb_aws_keys){0};
	if (keys && copy(keys->access_key, ret->access_key_id, sizeof(ret->access_key_id)) &&
	    copy(keys->secret_key, ret->secret_access_key, sizeof(ret->secret_access_key)) &&
	    copy(keys->session_token, ret->session_token, sizeof(ret->session_token)))
		return 0;
	explicit_bzero(ret, sizeof(*ret));
	snprintf(why, why_size, "%s",
		 !place	       ? "out of memory"
		 : keys	       ? "the role's credentials are longer than AWS makes them"
		 : place->role ? jit_awsrole_trouble(place->role)
			       : place->why);
	return -1;
}
