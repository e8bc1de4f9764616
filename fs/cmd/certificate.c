/* SPDX-License-Identifier: Apache-2.0 */
#include "certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>

#include "fs/lib/erased.h"
#include "fs/lib/table.h"

#define KIND "erasure certificate"
#define CANONICAL (JSON_COMPACT | JSON_SORT_KEYS)

int certificate_open(const char *file, struct certificate *ret)
{
	*ret = (struct certificate){ .file = file, .fd = -1 };
	if (!file)
		return CMD_OK;
	ret->fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return ret->fd >= 0 ? CMD_OK :
	       cmd_fail(CMD_FAILED, errno == EEXIST ? "give another name" : "nothing was erased",
			"%s: %s", file, strerror(errno));
}

void certificate_drop(struct certificate *t)
{
	if (t->fd < 0)
		return;
	close(t->fd);
	t->fd = -1;
	unlink(t->file);
}

/* ---- what is said --------------------------------------------------------------------- */

struct keys {
	json_t *list;
	const json_t *wanted;
};

static bool is_wanted(const struct keys *w, const char *zone)
{
	const json_t *v;
	size_t i;

	json_array_foreach(w->wanted, i, v)
		if (!strcmp(json_string_value(v), zone))
			return true;
	return !w->wanted;
}

/* A volkeys_fn. */
static int add_keys(void *arg, struct volkeys *k)
{
	char zone[2 * ID_LEN + 1], id[2 * KEY_LEN + 1];
	struct keys *w = arg;

	state_hex(k->zone.zone, ID_LEN, zone);
	for (unsigned int i = 0; i < k->ring->ngens && is_wanted(w, zone); i++) {
		const struct generation *gen = &k->ring->gens[i];
		json_t *kids = json_array();

		for (unsigned int s = 0; s < gen->nslots; s++)
			json_array_append_new(kids, json_string(*gen->slots[s].kid ? gen->slots[s].kid :
								volkeys_role(&gen->slots[s])));
		state_hex(gen->key_id, KEY_LEN, id);
		json_array_append_new(w->list, json_pack("{ss si ss so}", "zone", zone, "generation",
							 (int)gen->g, "key_id", id, "under", kids));
	}
	return CMD_OK;
}

json_t *certificate_keys(const struct cmd *c, const char *dir, const json_t *wanted)
{
	struct keys w = { .list = json_array(), .wanted = wanted };

	volkeys_each(c, dir, add_keys, &w);
	return w.list;
}

/* *RET: for state_context_done(), unless this fails. */
static int add_frame(json_t *body, const struct cmd *c, const char *dir, struct state_context *ret)
{
	char host[256] = "", id[2 * ID_LEN + 1];
	struct store_error err = { "", "" };
	struct volume_block v;
	int r = volume_peek(dir, &v, NULL, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	r = state_context(ret, c->conf, &v.root);
	if (r)
		return cmd_fail(CMD_FAILED, NULL, "cannot use the state directory: %s", strerror(-r));
	gethostname(host, sizeof(host) - 1);
	state_hex(v.root.vol, ID_LEN, id);
	json_object_set_new(body, "statement", json_string("cmkfs erasure 1"));
	json_object_set_new(body, "volume", json_string(id));
	json_object_set_new(body, "directory", erased_text(dir));
	json_object_set_new(body, "principal", json_string(ret->principal));
	json_object_set_new(body, "host", erased_text(host));
	json_object_set_new(body, "uid", json_integer(getuid()));
	json_object_set_new(body, "time", table_time(time(NULL)));
	return CMD_OK;
}

static void digest(struct certificate *t, const char *text)
{
	uint8_t sum[KEY_LEN] = { 0 };

	EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL);
	state_hex(sum, sizeof(sum), t->digest);
}

/* Sign BODY, and record that. */
static json_t *sign(struct certificate *t, json_t *body, const struct state_context *ctx)
{
	char public[KP_AUDIT_PUBLIC_MAX], sig[KP_SIGNATURE_MAX], detail[128];
	_cleanup_free_ char *text = json_dumps(body, CANONICAL);
	struct kp_audit *log = NULL;
	struct kp_error e = { 0 };
	json_t *doc = NULL;

	if (!text || kp_audit_open(ctx->dir, &log, &e) ||
	    kp_audit_sign(log, KIND, text, strlen(text), sig)) {
		cmd_fail(CMD_FAILED, e.hint, "cannot sign: %s", e.message[0] ? e.message : "no memory");
		kp_audit_close(log);
		return NULL;
	}
	digest(t, text);
	snprintf(detail, sizeof(detail), "statement %s", t->digest);
	if (kp_audit_note(log, ctx->principal, "erase.certificate", NULL, "ok", detail, &e))
		cmd_note("the certificate is not in the audit log: %s", e.message);
	kp_audit_public(log, public);
	kp_audit_close(log);
	doc = json_pack("{sO ss ss}", "statement", body, "public_key", public, "signature", sig);
	if (!doc)
		cmd_fail(CMD_FAILED, NULL, "out of memory");
	return doc;
}

int certificate_write(struct certificate *t, const struct cmd *c, const char *dir, json_t *body)
{
	struct state_context ctx;
	json_t *doc = NULL;
	int r = add_frame(body, c, dir, &ctx);

	if (!r) {
		doc = sign(t, body, &ctx);
		state_context_done(&ctx);
		r = doc ? CMD_OK : CMD_FAILED;
	}
	if (!r && (json_dumpfd(doc, t->fd, JSON_INDENT(1) | JSON_SORT_KEYS) < 0 ||
		   write(t->fd, "\n", 1) != 1 || fsync(t->fd) < 0))
		r = cmd_fail(CMD_FAILED, "cmkfs audit show has what was erased", "%s: %s", t->file,
			     strerror(errno));
	json_decref(doc);
	json_decref(body);
	close(t->fd);
	t->fd = -1;
	return r;
}

/* ---- verify ---------------------------------------------------------------------------- */

static const char *public_key;

static const struct opt verify_opts[] = {
	{ .name = "public-key", .arg = "HEX", .help = "of the host that signed (default: this one's)",
	  .value = &public_key },
	OPT_END
};

/* This host's. */
static int own_key(const struct cmd *c, char ret[static KP_AUDIT_PUBLIC_MAX])
{
	_cleanup_free_ char *state = NULL;
	struct kp_audit *log = NULL;
	struct kp_error e = { 0 };
	int r = state_dir(c->conf, &state);

	if (!r)
		r = kp_audit_open(state, &log, &e);
	if (r)
		return cmd_fail(CMD_FAILED, "--public-key names the key that is to be believed",
				"the key of this host cannot be read: %s",
				e.message[0] ? e.message : strerror(-r));
	kp_audit_public(log, ret);
	kp_audit_close(log);
	return CMD_OK;
}

static int check(const struct cmd *c, const json_t *doc, const char *key)
{
	const char *sig = json_string_value(json_object_get(doc, "signature"));
	json_t *body = json_object_get(doc, "statement");
	_cleanup_free_ char *text = body ? json_dumps(body, CANONICAL) : NULL;
	const char *volume = json_string_value(json_object_get(body, "volume"));
	const char *when = json_string_value(json_object_get(body, "time"));
	int r = text && sig ? kp_audit_signed(key, KIND, text, strlen(text), sig) : -EBADMSG;

	if (r == -EINVAL && public_key)
		return cmd_fail(CMD_USAGE, "64 hexadecimal digits, as `public_key` in a certificate",
				"this is no public key");
	if (r)
		return cmd_fail(CMD_INTEGRITY, "it was changed, or signed by another host",
				"%s is not signed by %s", c->argv[0], key);
	printf("signed by %s: volume %s, %s\n", key, volume ? volume : "unknown",
	       when ? when : "unknown");
	return CMD_OK;
}

static int run_verify(const struct cmd *c)
{
	char own[KP_AUDIT_PUBLIC_MAX];
	json_error_t e;
	json_t *doc = json_load_file(c->argv[0], JSON_REJECT_DUPLICATES, &e);
	int r;

	if (!doc)
		return cmd_fail(CMD_USAGE, "give a file that --certificate wrote", "%s: %s", c->argv[0],
				e.text);
	r = public_key ? CMD_OK : own_key(c, own);
	if (!r)
		r = check(c, doc, public_key ? public_key : own);
	json_decref(doc);
	return r;
}

const struct verb verb_certificate_verify = {
	.name = "certificate verify",
	.args = "FILE",
	.summary = "Check the signature of an erasure certificate",
	.opts = verify_opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_verify,
};
