/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration of the embedded vault: names, protection, keys, permissions.
 */
#include "vault_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#define DAY 86400
#define TEN "0123456789"

/* ---- names --------------------------------------------------------------------- */

static void uris_have_one_normal_form(void **state)
{
	static const struct {
		const char *in, *out;
	} uris[] = {
		{ "local://prod/keys/k", "local://prod/keys/k" },
		{ "LOCAL://Prod/keys/K", "local://prod/keys/K" },
		{ "local://a.b-c_d/keys/1.2", "local://a.b-c_d/keys/1.2" },
		{ "local://" TEN TEN TEN TEN TEN TEN "123/keys/" TEN TEN TEN TEN TEN TEN TEN,
		  "local://" TEN TEN TEN TEN TEN TEN "123/keys/" TEN TEN TEN TEN TEN TEN TEN },
		{ "local://v/keys/k/0123456789ABCDEF0123456789abcdef",
		  "local://v/keys/k/0123456789abcdef0123456789abcdef" },
	};
	char out[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		OK(kp_local.check(uris[i].in, out, &e));
		assert_string_equal(out, uris[i].out);
	}
}

static void malformed_uris_are_refused(void **state)
{
	static const char *const uris[] = {
		"", "local:", "local://", "local:///keys/k", "local://v", "local://v/",
		"local://v/keys", "local://v/keys/", "local://v/keys/k/", "local://v/keys/k/1", "local://v/keys/-k",
		"local://v/keys/k/0123456789abcdef0123456789abcdeg",
		"local://v/keys/k/0123456789abcdef0123456789abcdef0", "local://v/keys/k?x",
		"local://v/keys/k/0123456789abcdef0123456789abcdef/", "local://v/KEYS/k",
		"local://v/keys/k#1", "local://../keys/k", "local://v/keys/a b", "local://v/keys/a\n",
		"local://v/keys/\xc3\xa4", " local://v/keys/k", "local://v//keys/k",
		"http://v/keys/k", "local://" TEN TEN TEN TEN TEN TEN "1234/keys/k",
		"local://v/keys/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678",
	};
	char out[KP_URI_MAX] = "untouched";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		if (kp_local.check(uris[i], out, &e) != -EINVAL)
			fail_msg("'%s' is taken", uris[i]);
		assert_non_null(strstr(e.hint, "local://VAULT/keys/NAME"));
		assert_string_equal(out, "untouched");
	}
}

static void permissions_go_there_and_back(void **state)
{
	char words[LOCAL_PERMISSIONS_MAX];
	unsigned int bits;

	(void)state;
	for (unsigned int i = 1; i < 1024; i++) {
		local_permissions_format(i, words);
		OK(local_permissions_parse(words, &bits, &e));
		assert_int_equal(bits, i);
	}
	OK(local_permissions_parse("GET,unwrapkey", &bits, &e));
	assert_int_equal(bits, PERM_GET | PERM_UNWRAP);
	OK(local_permissions_parse("use", &bits, &e));
	assert_int_equal(bits, PERM_USE);
	OK(local_permissions_parse("list,use", &bits, &e));
	assert_int_equal(bits, PERM_USE | PERM_LIST);
	FAILS(-EINVAL, local_permissions_parse("", &bits, &e));
	FAILS(-EINVAL, local_permissions_parse("get,", &bits, &e));
	FAILS(-EINVAL, local_permissions_parse("get,all", &bits, &e));
	FAILS(-EINVAL, local_permissions_parse("ge", &bits, &e));
}

/* ---- vaults -------------------------------------------------------------------- */

static void make(struct fixture *f, const char *name, bool soft, bool purge)
{
	struct local_vault v = { .soft_delete = soft, .purge_protection = purge };

	snprintf(v.name, sizeof(v.name), "%s", name);
	OK(local_vault_create(f->l, &v, &e));
}

static void vault_has_the_documented_defaults(void **state)
{
	struct fixture *f = *state;
	struct local_vault v;

	make(f, "v", true, false);
	OK(local_vault_get(f->l, "local://V", &v, &e));
	assert_string_equal(v.name, "v");
	assert_int_equal(v.retention_days, 90);
	assert_true(v.soft_delete);
	assert_false(v.purge_protection || v.firewall || v.service || v.deleted);
}

static void names_are_taken_once(void **state)
{
	struct fixture *f = *state;
	struct local_vault v = { .name = "v", .soft_delete = true };

	make(f, "v", true, false);
	FAILS(-EEXIST, local_vault_create(f->l, &v, &e));
	OK(local_vault_delete(f->l, "v", &e));
	FAILS(-EEXIST, local_vault_create(f->l, &v, &e));
	assert_non_null(strstr(e.hint, "cmkfs vault recover v"));
	OK(local_vault_purge(f->l, "v", &e));
	OK(local_vault_create(f->l, &v, &e));
	snprintf(v.name, sizeof(v.name), "service");
	FAILS(-EPERM, local_vault_create(f->l, &v, &e));
	snprintf(v.name, sizeof(v.name), "a b");
	FAILS(-EINVAL, local_vault_create(f->l, &v, &e));
}

static void retention_is_7_to_90_days(void **state)
{
	static const int bad[] = { -1, 1, 6, 91, 100000 };
	struct fixture *f = *state;
	struct local_vault v = { .name = "v", .soft_delete = true };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		v.retention_days = bad[i];
		FAILS(-EINVAL, local_vault_create(f->l, &v, &e));
	}
	v.retention_days = 7;
	OK(local_vault_create(f->l, &v, &e));
	OK(local_vault_delete(f->l, "v", &e));
	OK(local_vault_get(f->l, "v", &v, &e));
	assert_int_equal(v.purge_at, v.deleted + 7 * DAY);
}

static void protection_is_never_switched_off(void **state)
{
	struct fixture *f = *state;
	struct local_vault_change c = { 0, LOCAL_UNCHANGED, LOCAL_UNCHANGED, NULL, NULL };
	struct local_vault v;

	make(f, "v", true, true);
	FAILS(-EPERM, local_vault_update(f->l, "v", &c, &e));
	c = (struct local_vault_change){ LOCAL_UNCHANGED, 0, LOCAL_UNCHANGED, NULL, NULL };
	FAILS(-EPERM, local_vault_update(f->l, "v", &c, &e));
	OK(local_vault_get(f->l, "v", &v, &e));
	assert_true(v.soft_delete && v.purge_protection);

	make(f, "w", false, false);
	c.purge_protection = 1;
	FAILS(-EINVAL, local_vault_update(f->l, "w", &c, &e)); /* needs soft delete */
	c.soft_delete = 1;
	OK(local_vault_update(f->l, "w", &c, &e));
	OK(local_vault_get(f->l, "w", &v, &e));
	assert_true(v.soft_delete && v.purge_protection);
}

static void purge_protection_holds_until_the_retention_ends(void **state)
{
	struct fixture *f = *state;
	struct local_key k;
	struct local_vault v;

	OK(local_key_delete(f->l, KEY, &e));
	FAILS(-EPERM, local_key_purge(f->l, KEY, &e));
	OK(local_vault_delete(f->l, "prod", &e));
	FAILS(-EPERM, local_vault_purge(f->l, "prod", &e));
	assert_non_null(strstr(e.hint, "cmkfs vault recover prod"));
	OK(local_vault_recover(f->l, "prod", &e));
	OK(local_key_recover(f->l, KEY, &e));
	OK(local_key_get(f->l, KEY, &k, &e));
	assert_false(k.deleted);

	OK(local_key_delete(f->l, KEY, &e));
	fixture_sql(f, "UPDATE key SET purge_at = 1 WHERE deleted <> 0");
	make(f, "other", true, false); /* any change sweeps */
	FAILS(-ENOENT, local_key_get(f->l, KEY, &k, &e));
	OK(local_vault_delete(f->l, "prod", &e));
	fixture_sql(f, "UPDATE vault SET purge_at = 1 WHERE deleted <> 0");
	FAILS(-ENOENT, local_vault_recover(f->l, "prod", &e));
	FAILS(-ENOENT, local_vault_get(f->l, "prod", &v, &e));
}

static void retention_is_never_shortened_under_protection(void **state)
{
	struct fixture *f = *state;
	struct local_vault_change c = { LOCAL_UNCHANGED, LOCAL_UNCHANGED, 30, NULL, NULL };

	make(f, "loose", true, false);
	make(f, "safe", true, true);
	OK(local_vault_update(f->l, "loose", &c, &e));
	FAILS(-EPERM, local_vault_update(f->l, "safe", &c, &e));
	c.purge_protection = 1;
	OK(local_vault_update(f->l, "loose", &c, &e));
	c.retention_days = 31;
	OK(local_vault_update(f->l, "loose", &c, &e));
	c.retention_days = 30;
	FAILS(-EPERM, local_vault_update(f->l, "loose", &c, &e));
}

static int count_versions(void *arg, const struct local_version *v)
{
	unsigned int *n = arg; /* all, deleted ones */

	n[0]++;
	n[1] += v->deleted != 0;
	return 0;
}

static void a_version_goes_and_comes_back_by_itself(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char one[KP_URI_MAX], two[KP_URI_MAX];
	unsigned int n[2] = { 0 };
	struct local_key k;
	struct kp_info info;
	struct kp *kp;

	make(f, "v", true, false);
	OK(local_key_create(f->l, "local://v/keys/k", &o, one, &e));
	OK(local_key_rotate(f->l, "local://v/keys/k", &o, two, &e));
	f->ctx.principal = NULL;
	OK(kp_local.open(&f->ctx, "local://v/keys/k", &kp, &e));
	FAILS(-EBUSY, local_key_recover(f->l, two, &e));
	FAILS(-EBUSY, local_key_purge(f->l, two, &e));
	OK(local_key_delete(f->l, two, &e));
	FAILS(-EKEYREVOKED, local_key_delete(f->l, two, &e));
	FAILS(-EKEYREVOKED, local_key_enable(f->l, two, true, &e));
	FAILS(-EKEYREVOKED, local_key_update(f->l, two, 0, 0, &e));
	FAILS(-EKEYREVOKED, kp_local.describe(kp, two, &info, &e));
	OK(kp_local.describe(kp, NULL, &info, &e)); /* the newest there is */
	assert_string_equal(info.kid, one);
	assert_string_equal(info.newest, one);
	OK(local_key_get(f->l, "local://v/keys/k", &k, &e));
	assert_int_equal(k.versions, 1);
	OK(local_key_versions(f->l, "local://v/keys/k", count_versions, n, &e));
	assert_int_equal(n[0], 2);
	assert_int_equal(n[1], 1);
	OK(local_key_recover(f->l, two, &e));
	OK(kp_local.describe(kp, NULL, &info, &e));
	assert_string_equal(info.kid, two);
	OK(local_key_delete(f->l, two, &e));
	OK(local_key_purge(f->l, two, &e));
	FAILS(-ENOENT, local_key_recover(f->l, two, &e));
	OK(local_key_delete(f->l, one, &e));
	FAILS(-ENOENT, kp_local.describe(kp, NULL, &info, &e));
	OK(local_key_rotate(f->l, "local://v/keys/k", &o, two, &e));
	kp_local.close(kp);
}

static void a_deleted_version_is_protected_and_ends_with_the_retention(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char one[KP_URI_MAX], two[KP_URI_MAX];

	make(f, "v", true, true);
	OK(local_key_create(f->l, "local://v/keys/k", &o, one, &e));
	OK(local_key_rotate(f->l, "local://v/keys/k", &o, two, &e));
	OK(local_key_delete(f->l, one, &e));
	FAILS(-EPERM, local_key_purge(f->l, one, &e));
	fixture_sql(f, "UPDATE key_version SET purge_at = 1 WHERE deleted <> 0");
	OK(local_key_enable(f->l, two, true, &e)); /* any change */
	FAILS(-ENOENT, local_key_recover(f->l, one, &e));
	make(f, "hard", false, false);
	OK(local_key_create(f->l, "local://hard/keys/k", &o, one, &e));
	OK(local_key_delete(f->l, one, &e));
	FAILS(-ENOENT, local_key_recover(f->l, one, &e));
}

/* ---- what time brings ---------------------------------------------------------- */

struct done {
	unsigned int rotated, purged, failed;
	char object[KP_URI_MAX], kid[KP_URI_MAX];
};

static int keep_done(void *arg, const struct local_done *d)
{
	struct done *t = arg;

	t->failed += d->code != 0;
	*(strcmp(d->action, "rotate") ? &t->purged : &t->rotated) += 1;
	snprintf(t->object, sizeof(t->object), "%s", d->object);
	snprintf(t->kid, sizeof(t->kid), "%s", d->kid ? d->kid : "");
	return 0;
}

static int keep_version(void *arg, const struct local_version *v)
{
	*(struct local_version *)arg = *v;
	return 1;
}

static struct done maintain(struct fixture *f, bool dry)
{
	struct done d = { 0 };

	OK(local_maintain(f->l, dry, keep_done, &d, &e));
	return d;
}

static void a_key_is_rotated_at_the_age_of_its_policy(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { .bits = 3072 };
	struct local_version v = { .bits = 0 };
	char kid[KP_URI_MAX];
	struct done d;

	make(f, "v", true, false);
	OK(local_key_create(f->l, "local://v/keys/k", &o, kid, &e));
	OK(local_key_create(f->l, "local://v/keys/other", &o, kid, &e));
	FAILS(-EINVAL, local_key_rotation(f->l, "local://v/keys/k", 100, 100, &e));
	FAILS(-EINVAL, local_key_rotation(f->l, "local://v/keys/k", 0, 100, &e));
	FAILS(-EINVAL, local_key_rotation(f->l, kid, 100, 0, &e));
	OK(local_key_rotation(f->l, "local://v/keys/k", 90 * DAY, 180 * DAY, &e));
	assert_int_equal(maintain(f, false).rotated, 0);
	fixture_sql(f, "UPDATE key_version SET created = created - 90 * 86400");
	assert_int_equal(maintain(f, true).rotated, 1);
	d = maintain(f, false);
	assert_int_equal(d.rotated, 1);
	assert_string_equal(d.object, "local://v/keys/k");
	local_key_versions(f->l, d.kid, keep_version, &v, NULL);
	assert_int_equal(v.bits, 3072);
	assert_in_range(v.expires, time(NULL) + 180 * DAY - 5, time(NULL) + 180 * DAY);
	assert_int_equal(maintain(f, false).rotated, 0);
	/* Neither what is disabled, nor what is deleted, nor what has no policy any more. */
	fixture_sql(f, "UPDATE key_version SET created = created - 90 * 86400");
	OK(local_key_enable(f->l, "local://v/keys/k", false, &e));
	assert_int_equal(maintain(f, false).rotated, 0);
	OK(local_key_enable(f->l, "local://v/keys/k", true, &e));
	OK(local_vault_delete(f->l, "v", &e));
	assert_int_equal(maintain(f, false).rotated, 0);
	OK(local_vault_recover(f->l, "v", &e));
	assert_int_equal(maintain(f, true).rotated, 1);
	OK(local_key_rotation(f->l, "local://v/keys/k", 0, 0, &e));
	assert_int_equal(maintain(f, false).rotated, 0);
}

static void maintenance_purges_what_is_past_its_retention(void **state)
{
	struct fixture *f = *state;
	struct local_vault v;

	make(f, "v", true, true);
	OK(local_vault_delete(f->l, "v", &e));
	assert_int_equal(maintain(f, false).purged, 0);
	fixture_sql(f, "UPDATE vault SET purge_at = 1");
	assert_int_equal(maintain(f, true).purged, 1);
	OK(local_vault_get(f->l, "v", &v, &e));
	assert_int_equal(maintain(f, false).purged, 1);
	FAILS(-ENOENT, local_vault_get(f->l, "v", &v, &e));
}

static void what_is_not_deleted_is_not_recovered_or_purged(void **state)
{
	struct fixture *f = *state;

	FAILS(-EBUSY, local_vault_recover(f->l, "prod", &e));
	FAILS(-EBUSY, local_vault_purge(f->l, "prod", &e));
	FAILS(-EBUSY, local_key_recover(f->l, KEY, &e));
	FAILS(-EBUSY, local_key_purge(f->l, KEY, &e));
	FAILS(-ENOENT, local_vault_delete(f->l, "nope", &e));
	FAILS(-ENOENT, local_key_delete(f->l, "local://prod/keys/nope", &e));
}

static void without_soft_delete_a_deletion_is_final(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char kid[KP_URI_MAX];

	make(f, "v", false, false);
	OK(local_key_create(f->l, "local://v/keys/k", &o, kid, &e));
	OK(local_key_delete(f->l, "local://v/keys/k", &e));
	FAILS(-ENOENT, local_key_recover(f->l, "local://v/keys/k", &e));
	OK(local_vault_delete(f->l, "v", &e));
	FAILS(-ENOENT, local_vault_recover(f->l, "v", &e));
}

/* ---- keys ---------------------------------------------------------------------- */

static void sizes_below_2048_are_not_made(void **state)
{
	static const unsigned int bad[] = { 1, 512, 1024, 2047, 2049, 8192 };
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char kid[KP_URI_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		o.bits = bad[i];
		FAILS(-EKEYREJECTED, local_key_create(f->l, "local://prod/keys/n", &o, kid, &e));
		FAILS(-EKEYREJECTED, local_key_rotate(f->l, KEY, &o, kid, &e));
		assert_non_null(strstr(e.hint, "--size 2048"));
	}
}

static int last_bits(void *arg, const struct local_version *v)
{
	unsigned int *bits = arg;

	if (!*bits)
		*bits = v->bits;
	return 0;
}

static void rotation_keeps_the_size(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { .bits = 3072 }, plain = { 0 };
	char kid[KP_URI_MAX];
	unsigned int bits = 0;

	OK(local_key_rotate(f->l, KEY, &o, kid, &e));
	OK(local_key_rotate(f->l, KEY, &plain, kid, &e));
	OK(local_key_versions(f->l, KEY, last_bits, &bits, &e));
	assert_int_equal(bits, 3072);
}

static size_t make_pem(const char *type, unsigned int bits, bool private, char *buf, size_t cap)
{
	EVP_PKEY *k = bits ? EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)bits) :
		      !strcmp(type, "EC") ? EVP_PKEY_Q_keygen(NULL, NULL, type, "P-256") :
					    EVP_PKEY_Q_keygen(NULL, NULL, type);
	BIO *b = BIO_new(BIO_s_mem());
	int n;

	assert_non_null(k);
	if (private)
		PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PUBKEY(b, k);
	n = BIO_read(b, buf, (int)cap);
	assert_true(n > 0);
	BIO_free(b);
	EVP_PKEY_free(k);
	return (size_t)n;
}

/* Imported, it is shown as what it is, and never accepted. */
static void imports_as(struct fixture *f, const char *name, const char *pem, size_t n,
		       const char *type, unsigned int bits, const char *word)
{
	struct local_key_options o = { 0 };
	char uri[KP_URI_MAX], kid[KP_URI_MAX];
	uint8_t blob[KP_BLOB_MAX];
	struct kp_info i;
	struct kp *kp;
	size_t len;

	snprintf(uri, sizeof(uri), "local://prod/keys/%s", name);
	OK(local_key_import(f->l, uri, pem, n, &o, kid, &e));
	OK(kp_local.open(&f->ctx, uri, &kp, &e));
	OK(kp_local.describe(kp, NULL, &i, &e));
	assert_string_equal(i.type, type);
	assert_int_equal(i.bits, bits);
	if (word) {
		FAILS(-EKEYREJECTED, kp_acceptable(&i, &f->ctx, time(NULL), &e));
		assert_non_null(strstr(e.message, word));
	} else {
		OK(kp_acceptable(&i, &f->ctx, time(NULL), &e));
	}
	if (strcmp(type, "RSA") != 0)
		FAILS(-EKEYREJECTED, kp_local.wrap(kp, f->secret, sizeof(f->secret), blob, &len,
						   kid, &e));
	kp_local.close(kp);
}

static void any_key_is_imported_and_only_good_ones_accepted(void **state)
{
	struct fixture *f = *state;
	char pem[8192];
	size_t n;

	n = make_pem("RSA", 1024, true, pem, sizeof(pem));
	imports_as(f, "small", pem, n, "RSA", 1024, "1024 bits");
	n = make_pem("EC", 0, true, pem, sizeof(pem));
	imports_as(f, "ec", pem, n, "EC", 256, "type EC");
	n = make_pem("EC", 0, false, pem, sizeof(pem));
	imports_as(f, "ecpub", pem, n, "EC", 256, "type EC");
	n = make_pem("ED25519", 0, true, pem, sizeof(pem));
	imports_as(f, "ed", pem, n, "ED25519", 256, "type ED25519");
	n = make_pem("RSA", 2048, true, pem, sizeof(pem));
	imports_as(f, "good", pem, n, "RSA", 2048, NULL);
}

static void public_half_alone_does_not_unwrap(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char pem[8192], kid[KP_URI_MAX];
	uint8_t blob[KP_BLOB_MAX], out[KP_SECRET_LEN];
	struct kp *kp;
	size_t n;

	n = make_pem("RSA", 2048, false, pem, sizeof(pem));
	OK(local_key_import(f->l, "local://prod/keys/pub", pem, n, &o, kid, &e));
	OK(kp_local.open(&f->ctx, kid, &kp, &e));
	OK(kp_local.wrap(kp, f->secret, sizeof(f->secret), blob, &n, kid, &e));
	FAILS(-EKEYREJECTED, kp_local.unwrap(kp, kid, blob, n, out, &e));
	kp_local.close(kp);
}

static void junk_is_not_imported(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char pem[8192], kid[KP_URI_MAX];
	struct local_key k;
	size_t n = make_pem("RSA", 2048, true, pem, sizeof(pem));

	FAILS(-EINVAL, local_key_import(f->l, "local://prod/keys/j", "", 0, &o, kid, &e));
	FAILS(-EINVAL, local_key_import(f->l, "local://prod/keys/j", "junk", 4, &o, kid, &e));
	FAILS(-EINVAL, local_key_import(f->l, "local://prod/keys/j", pem, n / 2, &o, kid, &e));
	FAILS(-EINVAL, local_key_import(f->l, "local://prod/keys/j", pem, 1 << 20, &o, kid, &e));
	FAILS(-ENOENT, local_key_get(f->l, "local://prod/keys/j", &k, &e));
}

static void impossible_times_are_refused(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { .not_before = 20, .expires = 20 };
	char kid[KP_URI_MAX];
	struct local_key k;

	FAILS(-EINVAL, local_key_create(f->l, "local://prod/keys/t", &o, kid, &e));
	FAILS(-ENOENT, local_key_get(f->l, "local://prod/keys/t", &k, &e)); /* all undone */
	FAILS(-EINVAL, local_key_update(f->l, KEY, 30, 20, &e));
}

/* ---- permissions of identities ------------------------------------------------- */

enum op { GET, LIST, CREATE, ENABLE, IMPORT, DELETE, RECOVER, ROTATE, OPS };

static int try_op(struct local *l, enum op op, const char *pem, size_t n)
{
	struct local_key_options o = { 0 };
	char kid[KP_URI_MAX];
	struct local_key k;
	unsigned int bits = 0;

	switch (op) {
	case GET:
		return local_key_get(l, KEY, &k, &e);
	case LIST:
		return local_key_versions(l, KEY, last_bits, &bits, &e);
	case CREATE:
		return local_key_create(l, "local://prod/keys/new", &o, kid, &e);
	case ENABLE:
		return local_key_enable(l, KEY, true, &e);
	case IMPORT:
		return local_key_import(l, KEY, pem, n, &o, kid, &e);
	case DELETE:
		return local_key_delete(l, KEY, &e);
	case RECOVER:
		return local_key_recover(l, KEY, &e);
	default:
		return local_key_rotate(l, KEY, &o, kid, &e);
	}
}

static void each_operation_needs_its_permission(void **state)
{
	static const unsigned int needs[OPS] = { PERM_GET,    PERM_LIST,   PERM_CREATE, PERM_CREATE,
						 PERM_IMPORT, PERM_DELETE, PERM_RECOVER,
						 PERM_ROTATE };
	struct fixture *f = *state;
	char pem[8192];
	size_t n = make_pem("RSA", 2048, true, pem, sizeof(pem));
	struct local *l;

	OK(local_open(f->dir, WHO, false, &l, &e));
	for (int op = 0; op < OPS; op++) {
		OK(local_policy_set(f->l, "prod", WHO, 1023 & ~needs[op], &e));
		FAILS(-EACCES, try_op(l, (enum op)op, pem, n));
		assert_non_null(strstr(e.hint, "cmkfs vault policy set prod " WHO));
		OK(local_policy_set(f->l, "prod", WHO, needs[op], &e));
		OK(try_op(l, (enum op)op, pem, n));
	}
	/* In a vault that does not protect, purge needs its own. */
	OK(local_key_delete(f->l, KEY, &e));
	fixture_sql(f, "UPDATE vault SET purge_protection = 0");
	FAILS(-EACCES, local_key_purge(l, KEY, &e));
	OK(local_policy_set(f->l, "prod", WHO, PERM_PURGE, &e));
	OK(local_key_purge(l, KEY, &e));
	local_close(l);
}

static void identity_administers_no_vault(void **state)
{
	struct fixture *f = *state;
	struct local_vault v = { .name = "mine", .soft_delete = true };
	struct local *l;

	OK(local_policy_set(f->l, "prod", WHO, 1023, &e));
	OK(local_open(f->dir, WHO, false, &l, &e));
	FAILS(-EACCES, local_vault_create(l, &v, &e));
	FAILS(-EACCES, local_vault_delete(l, "prod", &e));
	FAILS(-EACCES, local_vault_firewall(l, "prod", false, false, &e));
	FAILS(-EACCES, local_policy_set(l, "prod", WHO, 1023, &e));
	FAILS(-EACCES, local_identity_switch(l, WHO, true, &e));
	OK(local_identity_switch(f->l, WHO, false, &e));
	FAILS(-EKEYREVOKED, try_op(l, GET, NULL, 0));
	local_close(l);
}

static void identity_on_mends_a_lost_credential(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	char path[256];

	fixture_path(f, "identities/" WHO ".cred", path);
	assert_int_equal(unlink(path), 0);
	FAILS(-EACCES, kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	OK(local_identity_switch(f->l, WHO, true, &e));
	OK(kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	FAILS(-ENOENT, local_identity_switch(f->l, "cmkfs-none", false, &e));
}

/* ---- the master key ------------------------------------------------------------ */

static void master_key_of_another_vault_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN], key[40] = { 1 };
	char path[256];
	int fd;

	fixture_path(f, "vault.key", path);
	for (size_t n = 0; n <= sizeof(key); n += 8) { /* 32 is of the right length */
		fd = open(path, O_WRONLY | O_TRUNC);
		assert_int_equal(write(fd, key, n), n);
		close(fd);
		FAILS(-EIO, kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	}
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	FAILS(-EIO, kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	/* It is never made anew beside a database. */
	unlink(path);
	local_close(f->l);
	OK(local_open(f->dir, NULL, true, &f->l, &e));
	FAILS(-EIO, local_vault_delete(f->l, "prod", &e));
	assert_int_equal(access(path, F_OK), -1);
}

static void credential_of_systemd_comes_first(void **state)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f"
				  "101112131415161718191A1B1C1D1E1F\n";
	char dir[] = "/tmp/cmkfs-vault.XXXXXX", sub[64], path[80];
	struct local_vault v = { .name = "v", .soft_delete = true };
	struct local *l;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/cmkfs-vault-key", dir);
	fd = open(path, O_CREAT | O_WRONLY, 0440);
	assert_int_equal(write(fd, hex, sizeof(hex) - 1), sizeof(hex) - 1);
	close(fd);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	snprintf(sub, sizeof(sub), "%s/state", dir);
	OK(local_open(sub, NULL, true, &l, &e));
	OK(local_vault_create(l, &v, &e));
	snprintf(path, sizeof(path), "%s/vault.key", sub);
	assert_int_equal(access(path, F_OK), -1);
	unsetenv("CREDENTIALS_DIRECTORY");
	FAILS(-EIO, local_vault_delete(l, "v", &e));
	local_close(l);
	fixture_rmtree(dir);
}

static void damaged_database_is_an_error(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	char path[256];
	int fd;

	local_close(f->l);
	kp_local.close(f->kp);
	fixture_path(f, "vault.db", path);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "rubbish and more", 16, 0), 16);
	close(fd);
	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	FAILS(-EIO, kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	FAILS(-EIO, local_open(f->dir, NULL, true, &f->l, &e));
	assert_int_equal(truncate(path, 0), 0);
	FAILS(-EIO, kp_local.unwrap(f->kp, NULL, f->blob, f->blob_len, out, &e));
	FAILS(-EIO, local_open(f->dir, NULL, true, &f->l, &e));
	f->l = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define BARE(name) cmocka_unit_test_setup_teardown(name, fixture_setup_bare, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris_have_one_normal_form),
		cmocka_unit_test(malformed_uris_are_refused),
		cmocka_unit_test(permissions_go_there_and_back),
		BARE(vault_has_the_documented_defaults),
		BARE(names_are_taken_once),
		BARE(retention_is_7_to_90_days),
		BARE(protection_is_never_switched_off),
		TEST(purge_protection_holds_until_the_retention_ends),
		TEST(retention_is_never_shortened_under_protection),
		TEST(a_version_goes_and_comes_back_by_itself),
		TEST(a_deleted_version_is_protected_and_ends_with_the_retention),
		TEST(a_key_is_rotated_at_the_age_of_its_policy),
		TEST(maintenance_purges_what_is_past_its_retention),
		TEST(what_is_not_deleted_is_not_recovered_or_purged),
		BARE(without_soft_delete_a_deletion_is_final),
		TEST(sizes_below_2048_are_not_made),
		TEST(rotation_keeps_the_size),
		TEST(any_key_is_imported_and_only_good_ones_accepted),
		TEST(public_half_alone_does_not_unwrap),
		TEST(junk_is_not_imported),
		TEST(impossible_times_are_refused),
		TEST(each_operation_needs_its_permission),
		TEST(identity_administers_no_vault),
		TEST(identity_on_mends_a_lost_credential),
		TEST(master_key_of_another_vault_is_refused),
		cmocka_unit_test(credential_of_systemd_comes_first),
		TEST(damaged_database_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
