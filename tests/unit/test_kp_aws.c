/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider of AWS KMS reads: names of keys, files of profiles, errors.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "keyprov/aws/aws.h"

#define ID "1234abcd-12ab-34cd-56ef-1234567890ab"
#define ARN "arn:aws:kms:eu-west-1:111122223333:"

/* ---- names ---------------------------------------------------------------------- */

static void uris_have_one_normal_form(void **state)
{
	static const char *const rows[][3] = { /* URI, normal form, KeyId */
		{ "awskms:///" ID, "awskms:///" ID, ID },
		{ "AWSKMS:///alias/prod", "awskms:///alias/prod", "alias/prod" },
		{ "awskms://KMS.Example.com:8443/" ID, "awskms://kms.example.com:8443/" ID, ID },
		{ "awskms://[::1]:80/" ID, "awskms://[::1]:80/" ID, ID },
		{ "awskms:///" ARN "key/" ID, "awskms:///" ARN "key/" ID, ARN "key/" ID },
		{ "awskms:///arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-12",
		  "awskms:///arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-12",
		  "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-12" },
		{ "awskms:///" ARN "alias/team/a_b-c?version=" ID,
		  "awskms:///" ARN "alias/team/a_b-c?version=" ID, ARN "key/" ID },
	};
	char text[KP_URI_MAX], name[AWS_NAME_MAX];
	struct aws_uri u;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(aws_uri_parse(rows[i][0], &u, NULL), 0);
		assert_int_equal(aws_uri_format(&u, text), 0);
		assert_string_equal(text, rows[i][1]);
		aws_name(&u, name);
		assert_string_equal(name, rows[i][2]);
	}
}

static void malformed_uris_are_refused_with_what_to_write(void **state)
{
	static const char *const bad[] = {
		"", "awskms:", "awskms://", "awskms:///", "awskms://host", "awskms://host/",
		"awskms:/" ID, "aws://x/" ID, "awskms:///alias/", "awskms:///a b", "awskms:///a/b",
		"awskms:///arn:aws:s3:eu-west-1:1:key/a", "awskms:///arn:aws:kms:eu-west-1:1",
		"awskms:///arn:aws:kms::1:key/a", "awskms:///arn:aws:kms:r:1:key/",
		"awskms:///arn:aws:kms:r:1:key/a/b", "awskms:///arn:aws:kms:r:1:key/a:b",
		"awskms:///" ID "?version=a", "awskms:///alias/a?version=", "awskms:///alias/a?version=b/c",
		"awskms:///alias/a?key=1", "awskms://user@host/" ID, "awskms://host/" ID "#x",
		"awskms:///alias/\xc3\xa4", "awskms:///alias/a\n", "awskms://h%20/" ID,
	};
	struct kp_error e;
	struct aws_uri u;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&e, 0, sizeof(e));
		assert_int_equal(aws_uri_parse(bad[i], &u, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_non_null(strstr(e.hint, "awskms:///"));
	}
}

static void uri_that_does_not_fit_is_refused(void **state)
{
	char uri[KP_URI_MAX + 20] = "awskms:///alias/";
	struct aws_uri u;

	(void)state;
	for (size_t n = strlen(uri); n < sizeof(uri) - 1; n++) {
		uri[n] = 'a';
		uri[n + 1] = '\0';
		assert_int_equal(aws_uri_parse(uri, &u, NULL),
				 n + 1 - strlen("awskms:///") < sizeof(u.resource) ? 0 : -EINVAL);
	}
}

static void arns_of_answers_are_taken_apart(void **state)
{
	struct aws_uri u;

	(void)state;
	assert_int_equal(aws_arn_parse("arn:aws-cn:kms:cn-north-1:42:key/" ID, &u), 0);
	assert_string_equal(u.partition, "aws-cn");
	assert_string_equal(u.region, "cn-north-1");
	assert_string_equal(u.account, "42");
	assert_string_equal(u.resource, "key/" ID);
	assert_int_equal(aws_arn_parse(ID, &u), -EINVAL);
	assert_int_equal(aws_arn_parse("arn:aws:iam::42:role/x", &u), -EINVAL);
}

/* ---- profiles ---------------------------------------------------------------------- */

static int parse(const char *text, bool config, const char *name, struct aws_profile *ret)
{
	memset(ret, 0, sizeof(*ret));
	return aws_profile_parse(text, strlen(text), config, name, ret);
}

static void settings_of_the_profile_alone_are_taken(void **state)
{
	static const char text[] =
		"; comment = 1\r\n# aws_access_key_id = no\n"
		"[other]\naws_access_key_id = OTHER\n"
		"[ mine ]\r\naws_access_key_id = AKIDMINE\r\n"
		"aws_secret_access_key=wJalrXUtnFEMI/K7MDENG+b=\r\n"
		"s3 =\n  region = nested\nunknown = x\nno equals sign\n"
		"aws_session_token =\ttoken== \n"
		"[after]\nregion = wrong\n";
	struct aws_profile p;

	(void)state;
	assert_int_equal(parse(text, false, "mine", &p), 0);
	assert_string_equal(p.creds.id, "AKIDMINE");
	assert_string_equal(p.creds.secret, "wJalrXUtnFEMI/K7MDENG+b=");
	assert_string_equal(p.creds.token, "token==");
	assert_string_equal(p.region, "");
	assert_int_equal(parse(text, false, "none", &p), -ENOENT);
	assert_int_equal(parse("", false, "default", &p), -ENOENT);
}

static void sections_of_the_config_file_are_called_profiles(void **state)
{
	static const char text[] = "[default]\nregion = one\n[profile a]\nregion = two\n"
				   "[a]\nregion = three\n[profile default]\nregion = four\n"
				   "[profilea]\nregion = five\n[profile]\nregion = six\n";
	struct aws_profile p;

	(void)state;
	assert_int_equal(parse(text, true, "a", &p), 0);
	assert_string_equal(p.region, "two");
	assert_int_equal(parse("[default]\nregion = one\n", true, "default", &p), 0);
	assert_string_equal(p.region, "one");
	assert_int_equal(parse(text, false, "a", &p), 0);
	assert_string_equal(p.region, "three");
	assert_int_equal(parse("[a]\nregion = x\n", true, "a", &p), -ENOENT);
}

static void longest_token_fits_and_a_longer_one_is_refused(void **state)
{
	char text[AWS_TOKEN_MAX + 64] = "[default]\naws_session_token = ";
	size_t head = strlen(text);
	struct aws_profile p;

	(void)state;
	memset(text + head, 't', AWS_TOKEN_MAX - 1);
	assert_int_equal(parse(text, false, "default", &p), 0);
	assert_int_equal(strlen(p.creds.token), AWS_TOKEN_MAX - 1);
	text[head + AWS_TOKEN_MAX - 1] = 't';
	assert_int_equal(parse(text, false, "default", &p), -EMSGSIZE);
}

/* ---- errors ------------------------------------------------------------------------- */

static void errors_are_told_by_their_name_however_it_is_spelt(void **state)
{
	static const struct {
		const char *type, *message;
		long status;
		int code;
		enum aws_act act;
	} rows[] = {
		{ "AccessDeniedException", "", 400, -EACCES, AWS_FINAL },
		{ "AccessDenied", "", 403, -EACCES, AWS_FINAL },
		{ "DisabledException", "", 400, -EKEYREVOKED, AWS_FINAL },
		{ "com.amazonaws.kms#DisabledException", "", 400, -EKEYREVOKED, AWS_FINAL },
		{ "KMSInvalidStateException:http://internal.amazon.com/coral/", "", 400,
		  -EKEYREVOKED, AWS_FINAL },
		{ "NotFoundException", "", 400, -ENOENT, AWS_FINAL },
		{ "InvalidCiphertextException", "", 400, -EBADMSG, AWS_FINAL },
		{ "IncorrectKeyException", "", 400, -EBADMSG, AWS_FINAL },
		{ "InvalidKeyUsageException", "", 400, -EKEYREJECTED, AWS_FINAL },
		{ "ExpiredTokenException", "", 400, -EKEYREJECTED, AWS_CREDENTIALS },
		{ "ExpiredToken", "", 403, -EKEYREJECTED, AWS_CREDENTIALS },
		{ "UnrecognizedClientException", "", 400, -EKEYREJECTED, AWS_CREDENTIALS },
		{ "InvalidSignatureException", "Signature expired: 2015 is now earlier than 2016",
		  400, -EAGAIN, AWS_CLOCK },
		{ "InvalidSignatureException", "does not match", 400, -EKEYREJECTED,
		  AWS_CREDENTIALS },
		{ "RequestTimeTooSkewed", "", 403, -EAGAIN, AWS_CLOCK },
		{ "ThrottlingException", "", 400, -EAGAIN, AWS_RETRY },
		{ "KMSInternalException", "", 500, -EAGAIN, AWS_RETRY },
		{ "KeyUnavailableException", "", 500, -EAGAIN, AWS_RETRY },
		/* unknown: by the status */
		{ "NewException", "", 400, -EPROTO, AWS_FINAL },
		{ "NewException", "", 403, -EACCES, AWS_FINAL },
		{ "", "", 403, -EPROTO, AWS_FINAL },
		{ "", "", 404, -EPROTO, AWS_FINAL },
		{ "", "", 302, -EPROTO, AWS_FINAL },
		{ "", "", 429, -EAGAIN, AWS_RETRY },
		{ "", "", 502, -EAGAIN, AWS_RETRY },
		{ "Exception", "", 400, -EPROTO, AWS_FINAL },
		{ "#", "", 400, -EPROTO, AWS_FINAL },
		/* a final error keeps its meaning whatever the status */
		{ "AccessDeniedException", "", 500, -EACCES, AWS_FINAL },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct aws_verdict *v =
			aws_verdict(rows[i].type, rows[i].message, rows[i].status);

		assert_int_equal(v->code, rows[i].code);
		assert_int_equal(v->act, rows[i].act);
	}
}

static void plain_text_of_xml_is_found_and_nothing_else(void **state)
{
	static const char xml[] = "<E><Error><Code>AccessDenied</Code><Message>a &amp; b</Message>"
				  "<Empty></Empty><Deep><x>y</x></Deep><Code>second</Code></Error>"
				  "<Cut>abc";
	char text[16];

	(void)state;
	assert_int_equal(aws_xml_text(xml, "Code", text, sizeof(text)), 0);
	assert_string_equal(text, "AccessDenied");
	assert_int_equal(aws_xml_text(xml, "Empty", text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(aws_xml_text(xml, "Message", text, sizeof(text)), -EPROTO);
	assert_int_equal(aws_xml_text(xml, "Deep", text, sizeof(text)), -EPROTO);
	assert_int_equal(aws_xml_text(xml, "Cut", text, sizeof(text)), -EPROTO);
	assert_int_equal(aws_xml_text(xml, "None", text, sizeof(text)), -ENOENT);
	assert_int_equal(aws_xml_text(xml, "Code", text, 12), -EMSGSIZE);
	assert_int_equal(aws_xml_text("", "Code", text, sizeof(text)), -ENOENT);
}

/* ---- answers --------------------------------------------------------------------------- */

#define KEY(more)                                                                                  \
	"{\"KeyMetadata\": {\"Arn\": \"" ARN "key/" ID "\", \"KeyManager\": \"CUSTOMER\", " more "}}"
#define SYMMETRIC "\"KeySpec\": \"SYMMETRIC_DEFAULT\", \"KeyUsage\": \"ENCRYPT_DECRYPT\", "

static int take(const char *text, struct aws_key *ret)
{
	json_t *answer = json_loads(text, 0, NULL);
	int r;

	assert_non_null(answer);
	r = aws_key_take(answer, ret, NULL);
	json_decref(answer);
	return r;
}

static void info_for(const char *text, const char *tenant, const char *region, struct kp_info *ret)
{
	struct aws_place place = { .tenant = "" };
	struct aws_key k;

	snprintf(place.tenant, sizeof(place.tenant), "%s", tenant);
	snprintf(place.region, sizeof(place.region), "%s", region);
	assert_int_equal(take(text, &k), 0);
	aws_info(&k, &place, ret);
}

static void info_of(const char *text, struct kp_info *ret)
{
	info_for(text, "", "", ret);
}

static void key_is_described_in_the_words_of_all_providers(void **state)
{
	struct kp_info i;

	(void)state;
	info_of(KEY(SYMMETRIC "\"KeyState\": \"Enabled\", \"ValidTo\": 1795661902.5"), &i);
	assert_int_equal(i.refusal.code, 0);
	assert_string_equal(i.type, "oct");
	assert_int_equal(i.bits, 256);
	assert_true(i.enabled && i.soft_delete && i.purge_protection && i.may_unwrap);
	assert_string_equal(i.tenant, "111122223333");
	assert_string_equal(i.region, "eu-west-1");
	assert_int_equal(i.expires, 1795661902);
	info_of(KEY("\"CustomerMasterKeySpec\": \"RSA_3072\", \"KeyUsage\": \"ENCRYPT_DECRYPT\", "
		    "\"KeyState\": \"Enabled\""), &i);
	assert_string_equal(i.type, "RSA");
	assert_int_equal(i.bits, 3072);
	assert_int_equal(i.refusal.code, 0);
}

static void keys_that_cannot_protect_are_refused_with_the_way_back(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *message, *hint;
	} rows[] = {
		{ KEY(SYMMETRIC "\"KeyState\": \"Disabled\""), -EKEYREVOKED, "disabled",
		  "aws kms enable-key --key-id " ARN "key/" ID },
		{ KEY(SYMMETRIC "\"KeyState\": \"PendingDeletion\", \"DeletionDate\": 1795661902"),
		  -EKEYREVOKED, "pending deletion, on 2026-11-26", "cancel-key-deletion" },
		{ KEY(SYMMETRIC "\"KeyState\": \"PendingDeletion\""), -EKEYREVOKED, "soon",
		  "enable-key" },
		{ KEY(SYMMETRIC "\"KeyState\": \"PendingImport\""), -EKEYREVOKED, "material",
		  "import-key-material" },
		{ KEY(SYMMETRIC "\"KeyState\": \"Unavailable\""), -EAGAIN, "Unavailable", "store" },
		{ KEY("\"KeySpec\": \"ECC_NIST_P256\", \"KeyUsage\": \"SIGN_VERIFY\", "
		      "\"KeyState\": \"Enabled\""), -EKEYREJECTED, "SIGN_VERIFY", "create-key" },
		{ KEY("\"KeySpec\": \"RSA_2048\", \"KeyUsage\": \"SIGN_VERIFY\", "
		      "\"KeyState\": \"Enabled\""), -EKEYREJECTED, "RSA_2048", "create-key" },
		{ KEY("\"KeySpec\": \"SM2\", \"KeyUsage\": \"ENCRYPT_DECRYPT\", "
		      "\"KeyState\": \"Enabled\""), -EKEYREJECTED, "SM2", "create-key" },
	};
	struct kp_info i;

	(void)state;
	for (unsigned int n = 0; n < ARRAY_SIZE(rows); n++) {
		info_of(rows[n].text, &i);
		assert_int_equal(i.refusal.code, rows[n].code);
		assert_non_null(strstr(i.refusal.message, rows[n].message));
		assert_non_null(strstr(i.refusal.hint, rows[n].hint));
	}
	info_of("{\"KeyMetadata\": {\"Arn\": \"" ARN "key/" ID "\", " SYMMETRIC
		"\"KeyManager\": \"AWS\", \"KeyState\": \"Enabled\"}}", &i);
	assert_int_equal(i.refusal.code, -EKEYREJECTED);
}

static void key_of_another_account_or_region_is_refused(void **state)
{
	static const char key[] = KEY(SYMMETRIC "\"KeyState\": \"Enabled\"");
	struct kp_info i;

	(void)state;
	info_for(key, "111122223333", "EU-West-1", &i);
	assert_int_equal(i.refusal.code, 0);
	info_for(key, "444455556666", "eu-west-1", &i);
	assert_int_equal(i.refusal.code, -EKEYREJECTED);
	assert_non_null(strstr(i.refusal.message, "tenant 444455556666"));
	info_for(key, "", "us-east-1", &i);
	assert_int_equal(i.refusal.code, -EKEYREJECTED);
	assert_non_null(strstr(i.refusal.hint, "create-key --region us-east-1"));
}

static void description_that_is_not_whole_is_unintelligible(void **state)
{
	static const char *const bad[] = {
		"{}", "{\"KeyMetadata\": null}", "{\"KeyMetadata\": []}", "{\"KeyMetadata\": {}}",
		KEY("\"KeyState\": \"Enabled\""), KEY("\"KeySpec\": \"RSA_2048\""),
		KEY("\"KeySpec\": 1, \"KeyState\": \"Enabled\""),
		"{\"KeyMetadata\": {\"Arn\": \"" ID "\", " SYMMETRIC "\"KeyState\": \"Enabled\"}}",
		"{\"KeyMetadata\": {\"Arn\": \"" ARN "alias/a\", " SYMMETRIC
			"\"KeyState\": \"Enabled\"}}",
	};
	struct aws_key k;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(take(bad[i], &k), -EPROTO);
}

static int creds(const char *text, struct aws_creds *ret)
{
	json_t *answer = json_loads(text, 0, NULL);
	int r;

	memset(ret, 0, sizeof(*ret));
	r = answer ? aws_creds_json(answer, ret) : aws_creds_xml(text, ret);
	json_decref(answer);
	return r;
}

static void credentials_of_a_role_are_taken_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = {
		"{}", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
			"\"Expiration\":\"tomorrow\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
			"\"Expiration\":\"2026-01-31T12:00:00+01:00\"}",
		"<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
			"<SessionToken>t</SessionToken>",
		"<html>", "",
	};
	struct aws_creds c;

	(void)state;
	assert_int_equal(creds("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
			       "\"Expiration\":\"2026-11-26T02:58:22Z\"}", &c), 0);
	assert_string_equal(c.token, "t");
	assert_int_equal(c.expires, 1795661902);
	assert_int_equal(creds("<R><AccessKeyId>A</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>"
			       "<SessionToken>t</SessionToken><Expiration>2026-11-26T02:58:22.999Z"
			       "</Expiration></R>", &c), 0);
	assert_string_equal(c.secret, "s/+=");
	assert_int_equal(c.expires, 1795661902);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(creds(bad[i], &c), -EPROTO);
}

static void errors_are_found_in_json_xml_and_the_header(void **state)
{
	json_t *json = json_loads("{\"__type\": \"DisabledException\", \"Message\": \"m\"}", 0, NULL);
	json_t *bare = json_object();
	struct aws_failure f;

	(void)state;
	aws_failure_take(json, "", "Other", &f);
	assert_string_equal(f.type, "DisabledException");
	assert_string_equal(f.message, "m");
	aws_failure_take(bare, "", "ThrottlingException:http://x/", &f);
	assert_string_equal(f.type, "ThrottlingException:http://x/");
	aws_failure_take(NULL, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "", &f);
	assert_string_equal(f.type, "AccessDenied");
	assert_string_equal(f.message, "no");
	aws_failure_take(NULL, "<html>busy</html>", "", &f);
	assert_string_equal(f.type, "");
	json_decref(json);
	json_decref(bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris_have_one_normal_form),
		cmocka_unit_test(malformed_uris_are_refused_with_what_to_write),
		cmocka_unit_test(uri_that_does_not_fit_is_refused),
		cmocka_unit_test(arns_of_answers_are_taken_apart),
		cmocka_unit_test(settings_of_the_profile_alone_are_taken),
		cmocka_unit_test(sections_of_the_config_file_are_called_profiles),
		cmocka_unit_test(longest_token_fits_and_a_longer_one_is_refused),
		cmocka_unit_test(errors_are_told_by_their_name_however_it_is_spelt),
		cmocka_unit_test(plain_text_of_xml_is_found_and_nothing_else),
		cmocka_unit_test(key_is_described_in_the_words_of_all_providers),
		cmocka_unit_test(keys_that_cannot_protect_are_refused_with_the_way_back),
		cmocka_unit_test(key_of_another_account_or_region_is_refused),
		cmocka_unit_test(description_that_is_not_whole_is_unintelligible),
		cmocka_unit_test(credentials_of_a_role_are_taken_whole_or_not_at_all),
		cmocka_unit_test(errors_are_found_in_json_xml_and_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
