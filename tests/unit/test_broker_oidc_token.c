/* ID tokens: which signatures, keys and claims are believed, and which persons they are. */
#include "broker.h"

#include <openssl/x509.h>

#include "provider.h"

#include "oidc_token.h"

#define ISSUER "https://login.example"
#define CLIENT "jit-broker"
#define NONCE  "n-0S6_WzA2Mj"

static EVP_PKEY *ec, *rsa, *other_ec, *small_rsa;
static struct jb_oidc_keys *keys; /* ec as "e1", rsa as "r1" */
static char token[32768], why[256];

static int make_keys(void **state)
{
	char set[8192], a[1024], b[2048];

	(void)state;
	ec = EVP_EC_gen("P-256");
	other_ec = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	small_rsa = EVP_RSA_gen(1024);
	public_jwk(ec, "e1", ",\"use\":\"sig\",\"alg\":\"ES256\"", a, sizeof(a));
	public_jwk(rsa, "r1", "", b, sizeof(b));
	snprintf(set, sizeof(set), "{\"keys\":[%s,%s]}", a, b);
	keys = jb_oidc_keys_read(set, strlen(set), why, sizeof(why));
	return keys ? 0 : -1;
}

static int free_keys(void **state)
{
	(void)state;
	jb_oidc_keys_free(keys);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other_ec);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small_rsa);
	return 0;
}

static enum jb_oidc_verdict judge_with(const struct jb_oidc_keys *set)
{
	const struct jb_oidc_expect expect = {ISSUER, CLIENT, NONCE, NOW};
	json_t *claims = NULL;
	const enum jb_oidc_verdict verdict = jb_oidc_token_check(set, &expect, token, &claims, why, sizeof(why));

	assert_int_equal(claims != NULL, verdict == JB_OIDC_GOOD);
	json_decref(claims);
	return verdict;
}

static enum jb_oidc_verdict judge(void)
{
	return judge_with(keys);
}

/* The claims of a good token, with other members in place of some: {"name", "value as JSON"}; NULL leaves it out. */
static const char *claims_with(const char *name, const char *value)
{
	static const char *const good[][2] = {
		{"iss", "\"" ISSUER "\""},    {"aud", "\"" CLIENT "\""}, {"sub", "\"248289761001\""},
		{"nonce", "\"" NONCE "\""},   {"exp", "1795363500"},	 {"iat", "1795363200"},
		{"email", "\"op1@example\""},
	};
	static char text[20000];
	bool found = false;
	size_t len = 0;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		const bool other = name && strcmp(good[i][0], name) == 0;
		const char *v = other ? value : good[i][1];

		found |= other;
		if (v)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%s\":%s", len ? "," : "{",
						good[i][0], v);
	}
	if (name && !found && value)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"%s\":%s", name, value);
	snprintf(text + len, sizeof(text) - len, "}");
	return text;
}

static enum jb_oidc_verdict judge_claims(const char *name, const char *value)
{
	make_token(ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}", claims_with(name, value), token,
		   sizeof(token));
	return judge();
}

static enum jb_oidc_verdict judge_header(EVP_PKEY *key, const EVP_MD *digest, const char *header)
{
	make_token(key, digest, header, claims_with(NULL, NULL), token, sizeof(token));
	return judge();
}

static void good_tokens_of_both_algorithms_are_believed(void **state)
{
	(void)state;
	assert_int_equal(judge_header(ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}"), JB_OIDC_GOOD);
	assert_int_equal(judge_header(rsa, EVP_sha256(), "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"JWT\"}"),
			 JB_OIDC_GOOD);
	/* Without a name there is but one key of that kind. */
	assert_int_equal(judge_header(rsa, EVP_sha256(), "{\"alg\":\"RS256\"}"), JB_OIDC_GOOD);
}

static void each_wrong_claim_is_refused_for_what_it_is(void **state)
{
	static const struct {
		const char *name, *value, *why;
	} wrong[] = {
		{"iss", "\"https://login.example/\"", "it comes from another issuer"},
		{"iss", "\"http://login.example\"", "it comes from another issuer"},
		{"iss", NULL, "it comes from another issuer"},
		{"iss", "[\"" ISSUER "\"]", "it comes from another issuer"},
		{"aud", "\"another\"", "it is meant for another client"},
		{"aud", "[]", "it is meant for another client"},
		{"aud", "[\"another\"]", "it is meant for another client"},
		{"aud", "[\"" CLIENT "\",\"another\"]", "it is meant for another client"}, /* no azp */
		{"aud", "[\"" CLIENT "\",7]", "it is meant for another client"},
		{"aud", NULL, "it is meant for another client"},
		{"aud", "{\"" CLIENT "\":1}", "it is meant for another client"},
		{"azp", "\"another\"", "it is meant for another client"},
		{"azp", "7", "it is meant for another client"},
		{"sub", "\"\"", "it does not say whom it is about"},
		{"sub", "7", "it does not say whom it is about"},
		{"sub", NULL, "it does not say whom it is about"},
		{"nonce", "\"of-another-tab\"", "it was made for another sign-in"},
		{"nonce", "\"\"", "it was made for another sign-in"},
		{"nonce", "7", "it was made for another sign-in"},
		{"nonce", NULL, "it was made for another sign-in"},
		{"exp", "1795363140", "it has expired"}, /* a leeway ago, to the second */
		{"exp", NULL, "it does not say from when until when it is good"},
		{"exp", "\"1795363500\"", "it does not say from when until when it is good"},
		{"exp", "-1", "it does not say from when until when it is good"},
		{"exp", "1e300", "it does not say from when until when it is good"},
		{"iat", NULL, "it does not say from when until when it is good"},
		{"iat", "1795363261", "it is not good yet; compare the provider's clock with the broker's"},
		{"iat", "1795362599", "it was made too long ago; compare the provider's clock with the broker's"},
		{"nbf", "1795363261", "it is not good yet; compare the provider's clock with the broker's"},
		{"nbf", "true", "it does not say from when until when it is good"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		if (judge_claims(wrong[i].name, wrong[i].value) != JB_OIDC_REFUSED)
			fail_msg("%s = %s was believed", wrong[i].name, wrong[i].value ? wrong[i].value : "(absent)");
		assert_string_equal(why, wrong[i].why);
	}
}

static void a_clock_that_differs_by_a_minute_is_borne(void **state)
{
	(void)state;
	assert_int_equal(judge_claims("exp", "1795363141"), JB_OIDC_GOOD);
	assert_int_equal(judge_claims("iat", "1795363260"), JB_OIDC_GOOD);
	assert_int_equal(judge_claims("nbf", "1795363260.5"), JB_OIDC_GOOD);
	assert_int_equal(judge_claims("aud", "[\"" CLIENT "\"]"), JB_OIDC_GOOD);
	assert_int_equal(judge_claims("azp", "\"" CLIENT "\""), JB_OIDC_GOOD);
}

static void no_other_algorithm_is_believed(void **state)
{
	(void)state;
	static const char *const others[] = {"none", "None", "HS256", "HS384", "PS256", "ES384", "es256", "ES256K", ""};
	char header[128];

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"e1\"}", others[i]);
		assert_int_equal(judge_header(ec, EVP_sha256(), header), JB_OIDC_REFUSED);
		assert_string_equal(why, "it is not signed with ES256 or RS256");
	}
	/* libjose could verify this one. */
	assert_int_equal(judge_header(rsa, EVP_sha512(), "{\"alg\":\"RS512\",\"kid\":\"r1\"}"), JB_OIDC_REFUSED);
	assert_string_equal(why, "it is not signed with ES256 or RS256");
	signing_input("{\"alg\":\"none\"}", claims_with(NULL, NULL), token, sizeof(token));
	put_part("", 0, token, sizeof(token));
	assert_int_equal(judge(), JB_OIDC_REFUSED);
	assert_int_equal(judge_header(ec, EVP_sha256(), "{\"kid\":\"e1\"}"), JB_OIDC_REFUSED);
	assert_int_equal(judge_header(ec, EVP_sha256(), "{\"alg\":[\"ES256\"],\"kid\":\"e1\"}"), JB_OIDC_REFUSED);
}

/* The classic: what is public, the RSA key, used as the secret of an HMAC. */
static void a_public_key_is_no_hmac_secret(void **state)
{
	uint8_t mac[32], *der = NULL;
	unsigned mac_len = sizeof(mac);
	const int der_len = i2d_PUBKEY(rsa, &der);

	(void)state;
	for (int confused = 0; confused < 2; confused++) {
		signing_input(confused ? "{\"alg\":\"RS256\",\"kid\":\"r1\"}" : "{\"alg\":\"HS256\",\"kid\":\"r1\"}",
			      claims_with(NULL, NULL), token, sizeof(token));
		assert_non_null(HMAC(EVP_sha256(), der, der_len, (const uint8_t *)token, strlen(token), mac, &mac_len));
		put_part(mac, mac_len, token, sizeof(token));
		assert_int_equal(judge(), JB_OIDC_REFUSED);
	}
	OPENSSL_free(der);
}

static void an_algorithm_takes_keys_of_its_own_kind_alone(void **state)
{
	(void)state;
	assert_int_equal(judge_header(rsa, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"r1\"}"), JB_OIDC_UNKNOWN_KEY);
	assert_int_equal(judge_header(ec, EVP_sha256(), "{\"alg\":\"RS256\",\"kid\":\"e1\"}"), JB_OIDC_UNKNOWN_KEY);
	assert_int_equal(judge_header(rsa, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}"), JB_OIDC_REFUSED);
}

static void a_key_that_the_token_brings_itself_is_not_used(void **state)
{
	char jwk[1024], header[2048];

	(void)state;
	public_jwk(other_ec, "e1", "", jwk, sizeof(jwk));
	snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"e1\",\"jwk\":%s}", jwk);
	assert_int_equal(judge_header(other_ec, EVP_sha256(), header), JB_OIDC_REFUSED);
	assert_string_equal(why, "its signature is wrong");
}

static void an_unknown_key_is_told_apart_from_a_wrong_signature(void **state)
{
	(void)state;
	assert_int_equal(judge_header(other_ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e2\"}"),
			 JB_OIDC_UNKNOWN_KEY);
	assert_int_equal(judge_header(other_ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}"), JB_OIDC_REFUSED);
	assert_string_equal(why, "its signature is wrong");
	assert_int_equal(judge_header(ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":7}"), JB_OIDC_REFUSED);
}

static void nothing_of_a_token_may_change_after_signing(void **state)
{
	(void)state;
	make_token(ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}", claims_with(NULL, NULL), token,
		   sizeof(token));
	const size_t len = strlen(token);
	for (size_t i = 0; i < len; i += 7) {
		const char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(judge(), JB_OIDC_GOOD);
		token[i] = was;
	}
	assert_int_equal(judge(), JB_OIDC_GOOD);
	token[len - 3] = '\0';
	assert_int_equal(judge(), JB_OIDC_REFUSED);
}

static void a_header_with_demands_or_of_another_kind_is_refused(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"ES256\",\"kid\":\"e1\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"ES256\",\"kid\":\"e1\",\"b64\":false}",
		"{\"alg\":\"ES256\",\"kid\":\"e1\",\"typ\":\"at+jwt\"}",
		"{\"alg\":\"ES256\",\"kid\":\"e1\",\"zip\":\"DEF\"}",
		"{\"alg\":\"HS256\",\"alg\":\"ES256\",\"kid\":\"e1\"}",
		"[\"ES256\"]",
		"ES256",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		assert_int_equal(judge_header(ec, EVP_sha256(), headers[i]), JB_OIDC_REFUSED);
}

static void what_is_no_compact_token_is_refused(void **state)
{
	static const char *const texts[] = {"",	       ".",	      "..",	  "a.b",  "a.b.c",
					    "a.b.c.d", "e30.e30.e30", "e30..e30", "é.é.é"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		snprintf(token, sizeof(token), "%s", texts[i]);
		assert_int_equal(judge(), JB_OIDC_REFUSED);
	}
	/* Claims that stand twice are one thing to us and another to somebody else. */
	make_token(ec, EVP_sha256(), "{\"alg\":\"ES256\",\"kid\":\"e1\"}", claims_with("sub", "\"1\",\"sub\":\"2\""),
		   token, sizeof(token));
	assert_int_equal(judge(), JB_OIDC_REFUSED);
}

static void an_oversized_token_is_refused(void **state)
{
	static char filler[13000];

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	filler[0] = filler[sizeof(filler) - 2] = '"';
	assert_int_equal(judge_claims("padding", filler), JB_OIDC_REFUSED);
	filler[9000] = '"';
	filler[9001] = '\0';
	assert_int_equal(judge_claims("padding", filler), JB_OIDC_GOOD);
}

/* Key sets */

static struct jb_oidc_keys *read_set(const char *tail, const char *a, const char *b)
{
	char set[8192];

	snprintf(set, sizeof(set), "{\"keys\":[%s%s%s]}%s", a, *b ? "," : "", b, tail);
	return jb_oidc_keys_read(set, strlen(set), why, sizeof(why));
}

static void keys_that_must_not_verify_are_passed_over(void **state)
{
	static const char *const marks[] = {",\"use\":\"enc\"",	       ",\"alg\":\"ES384\"", ",\"alg\":\"RS256\"",
					    ",\"key_ops\":[\"sign\"]", ",\"use\":7",	     ",\"alg\":7"};
	char good[1024], bad[2048];

	(void)state;
	public_jwk(rsa, "r1", "", good, sizeof(good));
	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		public_jwk(ec, "e1", marks[i], bad, sizeof(bad));
		struct jb_oidc_keys *set = read_set("", bad, good);

		assert_non_null(set);
		assert_null(jb_oidc_keys_find(set, JB_OIDC_ES256, "e1"));
		assert_non_null(jb_oidc_keys_find(set, JB_OIDC_RS256, "r1"));
		jb_oidc_keys_free(set);
	}
}

static void weak_and_symmetric_keys_are_passed_over(void **state)
{
	char bad[2048];

	(void)state;
	public_jwk(small_rsa, "r1", "", bad, sizeof(bad));
	assert_null(read_set("", bad, "{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"c2VjcmV0\",\"alg\":\"HS256\"}"));
	assert_string_equal(why, "it has no key that could verify ES256 or RS256");
	public_jwk(rsa, "r1", "", bad, sizeof(bad));
	memcpy(strstr(bad, "\"AQAB\""), "\"AQ\"  ", 6); /* 1 */
	assert_null(read_set("", bad, ""));
	assert_null(read_set("", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", "7"));
}

static void what_is_no_set_is_refused(void **state)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "{\"keys\":7}"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_null(jb_oidc_keys_read(texts[i], strlen(texts[i]), why, sizeof(why)));
		assert_string_equal(why, "it is no JSON Web Key Set");
	}
	assert_null(read_set("}", "", ""));
}

static void a_set_of_too_many_keys_is_refused(void **state)
{
	static char set[40000];
	char one[512];
	size_t len = (size_t)snprintf(set, sizeof(set), "{\"keys\":[");

	(void)state;
	public_jwk(ec, "e1", "", one, sizeof(one));
	for (int i = 0; i <= JB_OIDC_KEYS_MAX; i++)
		len += (size_t)snprintf(set + len, sizeof(set) - len, "%s%s", i ? "," : "", one);
	snprintf(set + len, sizeof(set) - len, "]}");
	assert_null(jb_oidc_keys_read(set, strlen(set), why, sizeof(why)));
	assert_string_equal(why, "it has too many keys");
}

static void keys_that_cannot_be_told_apart_are_not_chosen(void **state)
{
	char a[1024], b[1024];

	(void)state;
	public_jwk(ec, "e1", "", a, sizeof(a));
	public_jwk(other_ec, "e1", "", b, sizeof(b));
	struct jb_oidc_keys *set = read_set("", a, b);
	assert_non_null(set);
	assert_null(jb_oidc_keys_find(set, JB_OIDC_ES256, "e1"));
	assert_null(jb_oidc_keys_find(set, JB_OIDC_ES256, NULL));
	jb_oidc_keys_free(set);
}

/* Persons */

static const char persons_conf[] = "[broker]\ntls = off\nstore = sqlite:DIR/broker.db\nissuer = demo\n"
				   "[role local]\nservices = sudo\nrequesters = op1\nhosts = *\ntargets = *\n"
				   "approvers = appr1\n"
				   "[person op1]\noidc = " ISSUER " 248289761001\n"
				   "[person appr1]\noidc = " ISSUER " email=appr1@example\n"
				   "[person appr2]\noidc = " ISSUER " employee=7\n";

static const char *person_of(const struct jb_conf *conf, const char *issuer, const char *text)
{
	json_t *claims = json_loads(text, 0, NULL);
	assert_non_null(claims);
	const struct jb_person *person = jb_oidc_person(conf, issuer, claims, why, sizeof(why));

	json_decref(claims);
	return person ? person->name : "";
}

static void an_account_is_the_person_who_declares_it(void **state)
{
	struct broker *b = *state;

	broker_configure(b, persons_conf);
	assert_string_equal(person_of(b->conf, ISSUER, "{\"sub\":\"248289761001\"}"), "op1");
	assert_string_equal(
		person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"email\":\"appr1@example\",\"email_verified\":true}"),
		"appr1");
	assert_string_equal(person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"employee\":\"7\"}"), "appr2");
	assert_string_equal(person_of(b->conf, "https://other.example", "{\"sub\":\"248289761001\"}"), "");
	assert_string_equal(why, "nobody has that account");
	assert_string_equal(person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"employee\":7}"), "");
}

static void a_mail_address_counts_where_it_is_verified(void **state)
{
	struct broker *b = *state;

	broker_configure(b, persons_conf);
	assert_string_equal(person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"email\":\"appr1@example\"}"), "");
	assert_string_equal(
		person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"email\":\"appr1@example\",\"email_verified\":false}"), "");
	assert_string_equal(
		person_of(b->conf, ISSUER, "{\"sub\":\"1\",\"email\":\"appr1@example\",\"email_verified\":\"true\"}"),
		"");
}

static void an_account_of_two_persons_is_nobodys(void **state)
{
	struct broker *b = *state;

	broker_configure(b, persons_conf);
	assert_string_equal(person_of(b->conf, ISSUER, "{\"sub\":\"248289761001\",\"employee\":\"7\"}"), "");
	assert_string_equal(why, "it is an account of both op1 and appr2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_tokens_of_both_algorithms_are_believed),
		cmocka_unit_test(each_wrong_claim_is_refused_for_what_it_is),
		cmocka_unit_test(a_clock_that_differs_by_a_minute_is_borne),
		cmocka_unit_test(no_other_algorithm_is_believed),
		cmocka_unit_test(a_public_key_is_no_hmac_secret),
		cmocka_unit_test(an_algorithm_takes_keys_of_its_own_kind_alone),
		cmocka_unit_test(a_key_that_the_token_brings_itself_is_not_used),
		cmocka_unit_test(an_unknown_key_is_told_apart_from_a_wrong_signature),
		cmocka_unit_test(nothing_of_a_token_may_change_after_signing),
		cmocka_unit_test(a_header_with_demands_or_of_another_kind_is_refused),
		cmocka_unit_test(what_is_no_compact_token_is_refused),
		cmocka_unit_test(an_oversized_token_is_refused),
		cmocka_unit_test(keys_that_must_not_verify_are_passed_over),
		cmocka_unit_test(weak_and_symmetric_keys_are_passed_over),
		cmocka_unit_test(what_is_no_set_is_refused),
		cmocka_unit_test(a_set_of_too_many_keys_is_refused),
		cmocka_unit_test(keys_that_cannot_be_told_apart_are_not_chosen),
		cmocka_unit_test_setup_teardown(an_account_is_the_person_who_declares_it, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(a_mail_address_counts_where_it_is_verified, setup_broker,
						teardown_broker),
		cmocka_unit_test_setup_teardown(an_account_of_two_persons_is_nobodys, setup_broker, teardown_broker),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
