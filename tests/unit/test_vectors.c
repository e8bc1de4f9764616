/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden values of the on-disk format.  Each vector is computed anew from
 * its description and compared; blocks are also parsed, verified and written
 * again.  A vector that no row below knows, or a row without a vector, fails.
 */
#include <errno.h>
#include <fnmatch.h>
#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/header.h"
#include "crypto/keyring.h"
#include "crypto/name.h"
#include "crypto/volume.h"
#include "crypto/xts.h"
#include "kat.h"

static uint8_t VK[32], ZIK[32], DEK[32], DIR_DEK[32], KEK[32], HK[32], BK[32];
static uint8_t OBJECT[16], DIR_ID[16];
static struct zone_id ZONE;
static json_t *all;

static void fill(uint8_t *p, size_t n, uint8_t from)
{
	while (n--)
		*p++ = from++;
}

static int setup(void **state)
{
	(void)state;
	fill(VK, 32, 0x00);
	fill(ZIK, 32, 0x60);
	fill(DEK, 32, 0x40);
	fill(DIR_DEK, 32, 0x80);
	fill(ZONE.vol, 16, 0xa0);
	fill(ZONE.zone, 16, 0xb0);
	fill(OBJECT, 16, 0xc0);
	fill(DIR_ID, 16, 0xd0);
	all = load_json(VECTORS "format-vectors.json");
	return kdf_vk(VK, KDF_KEK, &ZONE, 1, KEK) ||
	       kdf_object(DEK, KDF_HEADER, OBJECT, 1, HK, 32) ||
	       kdf_zik(ZIK, KDF_BIND, &ZONE, BK);
}

static int teardown(void **state)
{
	(void)state;
	json_decref(all);
	return 0;
}

static const json_t *vector(const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(all, "vectors"), i, v)
		if (strcmp(jstr(v, "name"), name) == 0)
			return v;
	fail_msg("no vector '%s'", name);
	return NULL;
}

static struct bytes output(const json_t *v)
{
	return jhex(v, "output");
}

static struct bytes input(const json_t *v, const char *key)
{
	return jhex(json_object_get(v, "inputs"), key);
}

static void same(const json_t *v, const void *p, size_t n)
{
	_cleanup_bytes_ struct bytes want = output(v);

	assert_int_equal(n, want.n);
	assert_memory_equal(p, want.p, n);
}

static void put_iv(uint8_t iv[IV_LEN], uint8_t last)
{
	memset(iv, 0, IV_LEN);
	iv[IV_LEN - 1] = last;
}

/* ---- keys -------------------------------------------------------------------- */

/* The same through the functions that the program calls. */
static int derive_typed(const struct bytes *key, enum kdf_label label, const struct bytes *ctx,
			uint8_t *ret, size_t n)
{
	struct zone_id z;

	if (label == KDF_GROUP)
		return kdf_group(key->p, ctx->p, get_le32(ctx->p + 16), get_le32(ctx->p + 20),
				 get_le32(ctx->p + 24), ret);
	if (ctx->n == 20)
		return kdf_object(key->p, label, ctx->p, get_le32(ctx->p + 16), ret, n);
	memcpy(&z, ctx->p, sizeof(z));
	return ctx->n == 32 ? kdf_zik(key->p, label, &z, ret) :
			      kdf_vk(key->p, label, &z, get_le32(ctx->p + 32), ret);
}

static void derived_key(const json_t *v)
{
	_cleanup_bytes_ struct bytes key = input(v, "key"), ctx = input(v, "context"),
		want = output(v);
	const char *text = jstr(json_object_get(v, "inputs"), "label");
	uint8_t out[64];
	int l = 0;

	while (strcmp(kdf_label_text(l), text))
		assert_true(++l <= KDF_XATTR_VALUE);
	assert_int_equal(kdf(key.p, key.n, l, ctx.p, ctx.n, out, want.n), 0);
	assert_memory_equal(out, want.p, want.n);
	memset(out, 0, sizeof(out));
	assert_int_equal(derive_typed(&key, l, &ctx, out, want.n), 0);
	assert_memory_equal(out, want.p, want.n);
}

static void wrapped_key(const json_t *v)
{
	_cleanup_bytes_ struct bytes kek = input(v, "key"), key = input(v, "plaintext"),
		want = output(v);
	uint8_t w[WRAP_LEN], back[KEY_LEN];

	assert_int_equal(wrap_key(kek.p, key.p, w), 0);
	same(v, w, WRAP_LEN);
	assert_int_equal(unwrap_key(kek.p, want.p, back), 0);
	assert_memory_equal(back, key.p, KEY_LEN);
}

static void passphrase_wrap(const json_t *v)
{
	_cleanup_bytes_ struct bytes pass = input(v, "passphrase"), salt = input(v, "salt");
	uint8_t key[KEY_LEN], w[WRAP_LEN];

	assert_int_equal(passphrase_key(pass.p, pass.n, salt.p, 600000, key), 0);
	assert_int_equal(wrap_key(key, VK, w), 0);
	same(v, w, WRAP_LEN);
}

static void bound_tag(const json_t *v)
{
	static const uint8_t none[ID_LEN];
	bool root = strcmp(jstr(v, "name"), "root tag") == 0;
	uint8_t tag[TAG_LEN];

	assert_int_equal(binding_tag(BK, root ? none : DIR_ID, root ? "" : "label.txt",
				     root ? 0 : 9, tag), 0);
	same(v, tag, TAG_LEN);
}

static void endorsement(const json_t *v)
{
	struct zone_id child = ZONE;
	uint8_t zik[32], ek[32], fp[32], m[MAC_LEN];
	struct iovec iov[] = { { &child, sizeof(child) }, { fp, sizeof(fp) } };

	fill(zik, 32, 0x20);
	fill(child.zone, 16, 0xe0);
	assert_int_equal(kdf_zik(ZIK, KDF_ENDORSE, &ZONE, ek), 0);
	assert_int_equal(kdf_zik(zik, KDF_FINGERPRINT, &child, fp), 0);
	assert_int_equal(mac_v(ek, 32, iov, 2, m), 0);
	same(v, m, MAC_LEN);
}

static void shares_key(uint8_t ret[KEY_LEN])
{
	uint8_t shares[64];

	fill(shares, 64, 0x11);
	assert_int_equal(all_of_key(&ZONE, 1, shares, 2, ret), 0);
}

static void all_of(const json_t *v)
{
	uint8_t key[KEY_LEN];

	shares_key(key);
	same(v, key, KEY_LEN);
}

/* ---- chunks ------------------------------------------------------------------ */

static void chunk_aad(const json_t *v)
{
	uint8_t aad[8];

	put_le64(aad, 5);
	same(v, aad, 8);
}

/* Seal N bytes P of chunk I of the file under IV …LAST; the entry too. */
static void seal_chunk(uint64_t i, uint8_t last, const uint8_t *p, uint32_t n, uint8_t *ret,
		       struct entry *e)
{
	uint8_t gk[GK_LEN], aad[8], back[CHUNK];
	struct aead *a;

	put_iv(e->iv, last);
	put_le32(e->len, n);
	put_le64(aad, i);
	assert_int_equal(kdf_group(DEK, OBJECT, 1, chunk_group(i), 0, gk), 0);
	a = aead_begin(gk, true);
	assert_int_equal(aead_seal(a, e->iv, aad, 8, p, n, ret, e->tag), 0);
	aead_end(a);
	a = aead_begin(gk, false);
	assert_int_equal(aead_open(a, e->iv, aad, 8, ret, n, e->tag, back), 0);
	assert_memory_equal(back, p, n);
	aead_end(a);
}

static void hello(uint8_t c[13], struct entry *e)
{
	seal_chunk(0, 1, (const uint8_t *)"hello, cmkfs\n", 13, c, e);
}

static void hello_ciphertext(const json_t *v)
{
	struct entry e;
	uint8_t c[13];

	hello(c, &e);
	same(v, c, 13);
}

static void hello_entry(const json_t *v)
{
	struct entry e;
	uint8_t c[13];

	hello(c, &e);
	same(v, &e, sizeof(e));
	assert_true(entry_sane(&e));
}

/* Chunks 0, 96 and 98 of the file of two groups. */
static void two_groups(uint8_t c[3][CHUNK], struct entry e[3])
{
	static const uint64_t index[] = { 0, 96, 98 };
	uint8_t p[CHUNK];

	for (unsigned int k = 0; k < 3; k++) {
		memset(p, (int)k + 1, sizeof(p));
		seal_chunk(index[k], (uint8_t)(k + 1), p, k == 2 ? 100 : CHUNK, c[k], &e[k]);
	}
}

static void two_groups_chunk(const json_t *v)
{
	const char *name = jstr(v, "name");
	unsigned int k = strcmp(name, "two groups, chunk 0") == 0  ? 0 :
			 strcmp(name, "two groups, chunk 96") == 0 ? 1 : 2;
	static uint8_t c[3][CHUNK];
	struct entry e[3];

	two_groups(c, e);
	same(v, c[k], k == 2 ? 100 : CHUNK);
}

static void xts_chunk(const json_t *v)
{
	static uint8_t c[CHUNK], zero[CHUNK];
	uint8_t key[XTS_KEY_LEN];
	struct xts *x;

	assert_int_equal(kdf_object(DEK, KDF_XTS, OBJECT, 1, key, sizeof(key)), 0);
	x = xts_begin(key, true);
	assert_int_equal(xts_crypt(x, 5, zero, CHUNK, c), 0);
	xts_end(x);
	same(v, c, CHUNK);
	x = xts_begin(key, false);
	assert_int_equal(xts_crypt(x, 5, c, CHUNK, c), 0);
	xts_end(x);
	assert_memory_equal(c, zero, CHUNK);
}

/* ---- headers and slots ------------------------------------------------------- */

/* What the description says, or leaves at its default, of a header. */
static void describe(struct header *h, uint64_t size)
{
	memset(h, 0, sizeof(*h));
	h->suite = SUITE_GCM;
	h->type = OBJECT_FILE;
	h->zone = ZONE;
	memcpy(h->object_id, OBJECT, ID_LEN);
	h->gen = h->session = h->epoch = h->vk_gen = h->group_count = 1;
	h->size = size;
	assert_int_equal(wrap_key(KEK, DEK, h->wrapped), 0);
}

/* H and AREA give the vector, and the vector gives H, its DEK and itself again. */
static void header_is(const json_t *v, const struct header *h, const uint8_t area[TAIL_AREA],
		      const uint8_t dek[KEY_LEN])
{
	_cleanup_bytes_ struct bytes want = output(v);
	json_t *length = json_object_get(json_object_get(v, "inputs"), "backing_length");
	uint8_t block[SLOT], hk[KEY_LEN], got[KEY_LEN];
	struct header parsed;
	const char *why = "";

	assert_int_equal(kdf_object(dek, KDF_HEADER, h->object_id, 1, hk, KEY_LEN), 0);
	assert_int_equal(header_seal(h, area, hk, block), 0);
	same(v, block, SLOT);

	if (header_parse(want.p, &parsed, &why))
		fail_msg("%s: %s", jstr(v, "name"), why);
	assert_int_equal(unwrap_key(KEK, parsed.wrapped, got), 0);
	assert_memory_equal(got, dek, KEY_LEN);
	assert_int_equal(header_verify(want.p, hk), 0);
	assert_int_equal(header_seal(&parsed, want.p + TAIL_OFFSET, hk, block), 0);
	same(v, block, SLOT);
	if (length)
		assert_int_equal(backing_length(h->suite, h->size), json_integer_value(length));
}

static void hello_header(const json_t *v)
{
	const char *name = jstr(v, "name");
	bool second = strcmp(name, "hello header, second") == 0;
	bool place = strcmp(name, "hello header, in place") == 0;
	uint8_t area[TAIL_AREA] = { 0 }, c[13];
	uint32_t chunk, off, len;
	struct entry e;
	struct header h;

	describe(&h, 13);
	hello(c, &e);
	memcpy(area, &e, sizeof(e));
	if (place) {
		h.ntags = 1;
		assert_int_equal(binding_tag(BK, DIR_ID, "label.txt", 9, h.tags[0]), 0);
	} else {
		h.flags = FLAG_TAIL;
		memcpy(area + ENTRY_LEN, c, 13);
	}
	if (second) {
		h.gen = 2;
		h.base = 1;
		h.session = 7;
	}
	h.uses = 1;
	header_is(v, &h, area, DEK);
	if (!place) {
		_cleanup_bytes_ struct bytes block = output(v);

		assert_true(header_tail(&h, block.p, &chunk, &off, &len));
		assert_int_equal(chunk, 0);
		assert_int_equal(len, 13);
		assert_memory_equal(block.p + off, c, 13);
	}
}

static void empty_header(const json_t *v)
{
	uint8_t area[TAIL_AREA] = { 0 };
	struct header h;

	describe(&h, 0);
	header_is(v, &h, area, DEK);
}

static void two_groups_header(const json_t *v)
{
	static uint8_t area[TAIL_AREA], c[3][CHUNK];
	struct entry e[3];
	struct header h;

	describe(&h, 401508);
	h.group_count = 2;
	h.uses = 1;
	two_groups(c, e);
	memcpy(area, &e[0], ENTRY_LEN);
	header_is(v, &h, area, DEK);
}

static void two_groups_slot(const json_t *v)
{
	struct group_slot s = { .g = 1, .gen = 1, .session = 1, .epoch = 1, .uses = 2 }, parsed;
	bool only_mac = strcmp(jstr(v, "name"), "two groups, slot MAC") == 0;
	struct entry e[3], entries[GROUP_CHUNKS] = { 0 };
	uint8_t block[SLOT], again[SLOT], gk[GK_LEN];
	static uint8_t c[3][CHUNK];

	two_groups(c, e);
	entries[0] = e[1];
	entries[2] = e[2];
	assert_int_equal(kdf_group(DEK, OBJECT, 1, 1, 0, gk), 0);
	assert_int_equal(group_seal(&s, entries, gk + 32, block), 0);
	if (only_mac) {
		same(v, block + 48, 16);
		return;
	}
	same(v, block, SLOT);
	assert_int_equal(group_parse(block, &parsed, NULL), 0);
	assert_int_equal(group_verify(block, gk + 32), 0);
	assert_int_equal(group_seal(&parsed, entries, gk + 32, again), 0);
	same(v, again, SLOT);
}

/* Content commitment, put together from the two blocks as cmkfs-format(5) says. */
static void content_commitment(const json_t *v)
{
	_cleanup_bytes_ struct bytes h = output(vector("two groups, header")),
				     s = output(vector("two groups, slot"));
	const struct iovec parts[] = {
		{ (void *)(uintptr_t)"cmkfs1 cc", 9 },
		{ h.p + 48, 16 }, { h.p + 10, 2 }, { h.p + 88, 8 }, { h.p + 96, 4 },
		{ h.p + 188, 4 }, { h.p + 192, 4 }, { h.p + 512, 480 },
		{ h.p + TAIL_OFFSET, TAIL_AREA },
		{ s.p + 4, 4 }, { s.p + 32, 4 }, { s.p + 36, 4 }, { s.p + 64, SLOT - 64 },
	};
	uint8_t digest[32];
	EVP_MD_CTX *m = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestInit_ex(m, EVP_sha256(), NULL), 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++)
		EVP_DigestUpdate(m, parts[i].iov_base, parts[i].iov_len);
	EVP_DigestFinal_ex(m, digest, NULL);
	EVP_MD_CTX_free(m);
	same(v, digest, sizeof(digest));
}

static void hole_run_header(const json_t *v)
{
	uint8_t area[TAIL_AREA] = { 0 };
	struct header h;

	describe(&h, 913408);
	h.group_count = 3;
	h.nruns = 1;
	h.runs[0] = (struct hole_run){ 1, 1 };
	header_is(v, &h, area, DEK);
}

static void directory_header(const json_t *v)
{
	static const uint8_t none[ID_LEN];
	uint8_t area[TAIL_AREA] = { 0 };
	struct header h;

	describe(&h, 0);
	h.type = OBJECT_DIR;
	h.group_count = 0;
	memcpy(h.object_id, DIR_ID, ID_LEN);
	assert_int_equal(wrap_key(KEK, DIR_DEK, h.wrapped), 0);
	h.ntags = 1;
	assert_int_equal(binding_tag(BK, none, "", 0, h.tags[0]), 0);
	header_is(v, &h, area, DIR_DEK);
}

/* ---- names ------------------------------------------------------------------- */

static void names_key(uint8_t nk[NAME_KEY_LEN])
{
	assert_int_equal(kdf_object(DIR_DEK, KDF_NAMES, DIR_ID, 1, nk, NAME_KEY_LEN), 0);
}

static void short_name(const json_t *v)
{
	_cleanup_bytes_ struct bytes text = input(v, "text");
	const char *want = jstr(v, "output");
	uint8_t nk[NAME_KEY_LEN];
	struct stored_name s;
	char back[NAME_LIMIT + 1];
	size_t n;

	names_key(nk);
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, (char *)text.p, text.n, &s), 0);
	assert_string_equal(s.s, want);
	assert_int_equal(s.sidecar_len, 0);
	assert_int_equal(stored_kind(want, strlen(want)), STORED_NAME);
	assert_int_equal(name_decrypt(nk, NAME_ENCRYPTED, 16, want, strlen(want), back, &n), 0);
	assert_int_equal(n, text.n);
	assert_memory_equal(back, text.p, n);
}

static void long_name(const json_t *v)
{
	bool sidecar = strcmp(jstr(v, "name"), "sidecar of 200 × \"x\"") == 0;
	char text[200], back[NAME_LIMIT + 1];
	uint8_t nk[NAME_KEY_LEN];
	struct stored_name s;
	size_t n;

	memset(text, 'x', sizeof(text));
	names_key(nk);
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, text, sizeof(text), &s), 0);
	if (sidecar)
		same(v, s.sidecar, s.sidecar_len);
	else
		assert_string_equal(s.s, jstr(v, "output"));
	assert_int_equal(name_decrypt_long(nk, s.s, strlen(s.s), s.sidecar, s.sidecar_len, back,
					   &n), 0);
	assert_int_equal(n, sizeof(text));
	assert_memory_equal(back, text, n);
}

static void tag_of_link(const json_t *v)
{
	uint8_t nk[NAME_KEY_LEN], t[MAC_LEN];

	names_key(nk);
	assert_int_equal(name_tag(nk, 16, "link", 4, t), 0);
	same(v, t, MAC_LEN);
}

/* IV ‖ C ‖ tag of TEXT under KEY with the vectors' IV. */
static void seal_text(const uint8_t *key, const uint8_t *aad, const char *text, uint8_t *ret)
{
	struct aead *a = aead_begin(key, true);
	size_t n = strlen(text);

	put_iv(ret, 1);
	assert_int_equal(aead_seal(a, ret, aad, MAC_LEN, (const uint8_t *)text, n, ret + IV_LEN,
				   ret + IV_LEN + n), 0);
	aead_end(a);
}

static void symlink_text(const json_t *v)
{
	_cleanup_bytes_ struct bytes t = output(vector("T of link"));
	const char *target = "../label.txt", *want = jstr(v, "output");
	uint8_t sk[KEY_LEN], sealed[64];
	char text[128], back[SYMLINK_LIMIT + 1];
	size_t n;

	assert_int_equal(kdf_object(DIR_DEK, KDF_SYMLINK, DIR_ID, 1, sk, KEY_LEN), 0);
	seal_text(sk, t.p, target, sealed);
	b64_encode(sealed, strlen(target) + SEALED_EXTRA, text);
	assert_string_equal(text, want);
	assert_int_equal(symlink_target_len(strlen(want)), strlen(target));
	assert_int_equal(symlink_open(sk, t.p, want, strlen(want), back, &n), 0);
	assert_string_equal(back, target);
	assert_int_equal(n, strlen(target));
}

static void xattr_name(const json_t *v)
{
	const char *want = jstr(v, "output");
	uint8_t xn[NAME_KEY_LEN], t[MAC_LEN];
	char name[NAME_LIMIT + 1], back[NAME_LIMIT + 1];
	size_t n;

	assert_int_equal(kdf_object(DEK, KDF_XATTR_NAME, OBJECT, 1, xn, NAME_KEY_LEN), 0);
	assert_int_equal(xattr_name_encrypt(xn, "comment", 7, name, t), 0);
	assert_string_equal(name, want);
	assert_int_equal(xattr_name_decrypt(xn, want, strlen(want), back, &n), 0);
	assert_string_equal(back, "comment");
	assert_int_equal(n, 7);
}

static void xattr_value(const json_t *v)
{
	_cleanup_bytes_ struct bytes aad = input(v, "aad"), want = output(v);
	uint8_t xn[NAME_KEY_LEN], xv[KEY_LEN], t[MAC_LEN], sealed[3 + SEALED_EXTRA], back[3];
	char name[NAME_LIMIT + 1];

	assert_int_equal(kdf_object(DEK, KDF_XATTR_NAME, OBJECT, 1, xn, NAME_KEY_LEN), 0);
	assert_int_equal(kdf_object(DEK, KDF_XATTR_VALUE, OBJECT, 1, xv, KEY_LEN), 0);
	assert_int_equal(xattr_name_encrypt(xn, "comment", 7, name, t), 0);
	assert_memory_equal(t, aad.p, MAC_LEN);
	seal_text(xv, t, "cat", sealed);
	same(v, sealed, sizeof(sealed));
	assert_int_equal(aead_open_message(xv, t, MAC_LEN, want.p, want.n, back), 0);
	assert_memory_equal(back, "cat", 3);
}

/* ---- fixed files ------------------------------------------------------------- */

static void volume_file(const json_t *v)
{
	struct volume_block want = {
		.version = FORMAT_DRAFT, .root = ZONE, .suite = SUITE_GCM, .name_mode = 1,
		.name_padding = 16, .binding = BINDING_ENFORCE, .crash = CRASH_ORDERED,
		.created = 1700000000, .seq = 1,
	}, parsed;
	uint8_t vm[KEY_LEN], block[FIXED_BLOCK];

	assert_int_equal(kdf_zik(ZIK, KDF_FINGERPRINT, &ZONE, want.fingerprint), 0);
	assert_int_equal(kdf_zik(ZIK, KDF_VOLUME, &ZONE, vm), 0);
	assert_int_equal(volume_seal(&want, vm, block), 0);
	same(v, block, FIXED_BLOCK);
	assert_int_equal(volume_parse(block, &parsed, NULL), 0);
	assert_int_equal(volume_verify(block, vm), 0);
	assert_int_equal(volume_seal(&parsed, vm, block), 0);
	same(v, block, FIXED_BLOCK);
}

static void session_file(const json_t *v)
{
	bool open = strcmp(jstr(v, "name"), "session file, open") == 0;
	struct session_block want = { .seq = open ? 9 : 2, .open = open ? 9 : 0 }, parsed;
	uint8_t sm[KEY_LEN], block[FIXED_BLOCK];

	memcpy(want.vol, ZONE.vol, ID_LEN);
	if (open) {
		want.nunclean = 2;
		want.unclean[0] = 5;
		want.unclean[1] = 7;
	}
	assert_int_equal(kdf_zik(ZIK, KDF_SESSION, &ZONE, sm), 0);
	assert_int_equal(session_seal(&want, sm, block), 0);
	same(v, block, FIXED_BLOCK);
	assert_int_equal(session_parse(block, &parsed, NULL), 0);
	assert_int_equal(session_verify(block, sm), 0);
	assert_int_equal(session_seal(&parsed, sm, block), 0);
	same(v, block, FIXED_BLOCK);
}

/* Parse the keyring, open it with VK as a mount does, write it again. */
static struct keyring *open_keyring(const json_t *v, const uint8_t zik[KEY_LEN])
{
	_cleanup_bytes_ struct bytes raw = output(v);
	_cleanup_free_ uint8_t *again = NULL;
	uint8_t got[KEY_LEN], km[KEY_LEN];
	const char *why = "";
	struct keyring *k;
	size_t n;

	if (keyring_parse(raw.p, raw.n, &k, &why))
		fail_msg("%s: %s", jstr(v, "name"), why);
	assert_int_equal(k->ngens, 1);
	assert_ptr_equal(keyring_generation(k, k->active), &k->gens[0]);
	assert_int_equal(keyring_take(k, &k->gens[0], VK, got), 0);
	assert_memory_equal(got, zik, KEY_LEN);
	assert_int_equal(keyring_verify(k, got), 0);
	assert_int_equal(kdf_zik(zik, KDF_KEYRING, &k->zone, km), 0);
	assert_int_equal(keyring_serialise(k, km, &again, &n), 0);
	same(v, again, n);
	return k;
}

static void root_keyring(const json_t *v)
{
	_cleanup_bytes_ struct bytes kw = output(vector("passphrase wrap"));
	struct keyring *k = open_keyring(v, ZIK);
	const struct keyslot *s = k->gens[0].slots;
	uint8_t fp[KEY_LEN], blob[256];

	assert_memory_equal(&k->zone, &ZONE, sizeof(ZONE));
	assert_int_equal(k->gens[0].nslots, 2);
	assert_int_equal(s[0].type, SLOT_RSA);
	memset(blob, 0x55, sizeof(blob));
	assert_int_equal(s[0].blob_len, sizeof(blob));
	assert_memory_equal(s[0].blob, blob, sizeof(blob));
	assert_true(strlen(s[0].kid) > 0);
	assert_int_equal(s[1].type, SLOT_PASSPHRASE);
	assert_int_equal(get_le32(s[1].params + PBKDF2_SALT_LEN), 600000);
	assert_memory_equal(s[1].blob, kw.p, WRAP_LEN);
	assert_int_equal(keyring_fingerprint(k, ZIK, fp), 0);
	same(vector("fingerprint"), fp, KEY_LEN);
	keyring_free(k);
}

static void child_keyring(const json_t *v)
{
	_cleanup_bytes_ struct bytes by_parent = output(vector("endorsement"));
	struct keyring *k;
	uint8_t zik[KEY_LEN];

	fill(zik, KEY_LEN, 0x20);
	k = open_keyring(v, zik);
	assert_memory_equal(k->parent, ZONE.zone, ID_LEN);
	assert_memory_equal(k->endorsement, by_parent.p, MAC_LEN);
	assert_int_equal(k->gens[0].nslots, 0);
	keyring_free(k);
}

/* The slot inside a keyring that holds nothing else. */
static void combiner_slot(const json_t *v)
{
	uint8_t key[KEY_LEN], blob[WRAP_LEN], km[KEY_LEN], *raw;
	struct keyslot s = {
		.id = 5, .type = SLOT_COMBINER, .role = ROLE_CUSTOMER, .group = 1,
		.blob = blob, .blob_len = WRAP_LEN,
	};
	struct generation gen;
	struct keyring k = { .zone = ZONE, .seq = 1, .active = 1, .ngens = 1, .gens = &gen },
		*parsed;
	size_t n;

	shares_key(key);
	assert_int_equal(wrap_key(key, VK, blob), 0);
	assert_int_equal(keyring_new_generation(&k, &gen, 1, VK, ZIK, 1700000000), 0);
	gen.slots[gen.nslots++] = s;
	assert_int_equal(kdf_zik(ZIK, KDF_KEYRING, &ZONE, km), 0);
	assert_int_equal(keyring_serialise(&k, km, &raw, &n), 0);
	same(v, raw + 128 + 96, n - 128 - 96 - MAC_LEN);
	assert_int_equal(keyring_parse(raw, n, &parsed, NULL), 0);
	assert_int_equal(parsed->gens[0].slots[0].id, 5);
	assert_memory_equal(parsed->gens[0].slots[0].blob, blob, WRAP_LEN);
	keyring_free(parsed);
	free(raw);
}

/* ---- places ------------------------------------------------------------------ */

static void place(const json_t *v)
{
	uint64_t i = strtoull(jstr(v, "name") + strlen("place "), NULL, 10);

	assert_int_equal(chunk_place(i), json_integer_value(json_object_get(v, "output")));
}

static void length(const json_t *v)
{
	uint64_t size = strtoull(jstr(v, "name") + strlen("length "), NULL, 10);
	uint64_t want = (uint64_t)json_integer_value(json_object_get(v, "output"));

	assert_int_equal(backing_length(SUITE_GCM, size), want);
	assert_int_equal(size_hint(SUITE_GCM, want), size);
}

static const struct {
	const char *pattern; /* of fnmatch(3) */
	void (*check)(const json_t *v);
	unsigned int count; /* of vectors */
} rows[] = {
	{ "key_id", derived_key, 1 },
	{ "fingerprint", derived_key, 1 },
	{ "KEK", derived_key, 1 },
	{ "[KEBVSLHXN][ZMKNV]", derived_key, 13 },
	{ "GK(*)", derived_key, 3 },
	{ "WRAP(*)", wrapped_key, 2 },
	{ "binding tag", bound_tag, 1 },
	{ "root tag", bound_tag, 1 },
	{ "endorsement", endorsement, 1 },
	{ "all-of key", all_of, 1 },
	{ "passphrase wrap", passphrase_wrap, 1 },
	{ "chunk AAD", chunk_aad, 1 },
	{ "hello ciphertext", hello_ciphertext, 1 },
	{ "hello entry", hello_entry, 1 },
	{ "hello header, *", hello_header, 3 },
	{ "empty header", empty_header, 1 },
	{ "two groups, chunk *", two_groups_chunk, 3 },
	{ "two groups, slot*", two_groups_slot, 2 },
	{ "two groups, header", two_groups_header, 1 },
	{ "two groups, cc", content_commitment, 1 },
	{ "hole run, header", hole_run_header, 1 },
	{ "directory header", directory_header, 1 },
	{ "XTS chunk", xts_chunk, 1 },
	{ "name 200 *", long_name, 1 },
	{ "sidecar of *", long_name, 1 },
	{ "name *", short_name, 5 },
	{ "T of link", tag_of_link, 1 },
	{ "symlink text", symlink_text, 1 },
	{ "xattr name", xattr_name, 1 },
	{ "xattr value", xattr_value, 1 },
	{ "volume file", volume_file, 1 },
	{ "session file, *", session_file, 2 },
	{ "keyring", root_keyring, 1 },
	{ "keyring of a child zone", child_keyring, 1 },
	{ "all-of slot", combiner_slot, 1 },
	{ "place *", place, 6 },
	{ "length *", length, 13 },
};

static void every_vector_is_reproduced(void **state)
{
	unsigned int hits[ARRAY_SIZE(rows)] = { 0 }, k;
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(all, "vectors"), i, v) {
		const char *name = jstr(v, "name");

		for (k = 0; k < ARRAY_SIZE(rows); k++)
			if (fnmatch(rows[k].pattern, name, 0) == 0)
				break;
		if (k == ARRAY_SIZE(rows))
			fail_msg("the vector '%s' is not checked", name);
		print_message("# %s\n", name);
		rows[k].check(v);
		hits[k]++;
	}
	for (k = 0; k < ARRAY_SIZE(rows); k++)
		if (hits[k] != rows[k].count)
			fail_msg("%u vectors '%s', not %u", hits[k], rows[k].pattern,
				 rows[k].count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_reproduced),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
