/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: each record's hash is SHA-256 over the hash before it and its
 * own fields; number and hash of the last one are kept under a MAC whose key
 * is not in the database.  A record that is changed, removed, moved, put in or
 * cut off at the end does not verify.  What is not found: a whole older copy
 * of the database put back.
 */
#include "db.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "crypto/secret.h"

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;

static void fetch(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

int sha256(const void *p, size_t n, uint8_t ret[static HASH_LEN])
{
	pthread_once(&fetch_once, fetch);
	if (!sha256_md || EVP_Digest(p, n, ret, NULL, sha256_md, NULL) != 1)
		return -EIO;
	return 0;
}

/* ---- records ------------------------------------------------------------------- */

#define FIELDS 5

struct record {
	int64_t seq, time_ms;
	const char *field[FIELDS]; /* principal, operation, object, outcome, detail */
};

/* Every field with its length before it: no two records give the same bytes. */
static int chain(const uint8_t before[static HASH_LEN], const struct record *a,
		 uint8_t ret[static HASH_LEN])
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n = HASH_LEN + 16;
	uint8_t *p;

	for (int i = 0; i < FIELDS; i++)
		n += 8 + strlen(a->field[i]);
	buf = malloc(n);
	if (!buf)
		return -EAGAIN;
	memcpy(buf, before, HASH_LEN);
	put_le64(buf + HASH_LEN, (uint64_t)a->seq);
	put_le64(buf + HASH_LEN + 8, (uint64_t)a->time_ms);
	p = buf + HASH_LEN + 16;
	for (int i = 0; i < FIELDS; i++) {
		size_t len = strlen(a->field[i]);

		put_le64(p, len);
		memcpy(p + 8, a->field[i], len);
		p += 8 + len;
	}
	return sha256(buf, n, ret);
}

/* ---- head ---------------------------------------------------------------------- */

struct head {
	int64_t count;
	uint8_t hash[HASH_LEN], mac[HASH_LEN];
};

static int head_mac(struct local *l, const struct head *h, uint8_t ret[static HASH_LEN])
{
	uint8_t buf[8 + HASH_LEN];

	put_le64(buf, (uint64_t)h->count);
	memcpy(buf + 8, h->hash, HASH_LEN);
	return master_mac(l->master, buf, sizeof(buf), ret);
}

static int head_load(struct local *l, struct head *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT audit_count, audit_head, audit_mac FROM state "
			   "WHERE id = 1", "");

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r || sqlite3_column_bytes(s, 1) != HASH_LEN || sqlite3_column_bytes(s, 2) != HASH_LEN)
		return kp_fail(e, -EIO, "restore the file from a backup",
			       "the head of the audit log is not in %s", l->path);
	ret->count = sqlite3_column_int64(s, 0);
	memcpy(ret->hash, sqlite3_column_blob(s, 1), HASH_LEN);
	memcpy(ret->mac, sqlite3_column_blob(s, 2), HASH_LEN);
	return 0;
}

/* Go on only from a head that we wrote, lest a forged one gets our MAC. */
static int head_verify(struct local *l, const struct head *h, struct kp_error *e)
{
	uint8_t mac[HASH_LEN];

	if (!head_mac(l, h, mac) && secret_equal(mac, h->mac, sizeof(mac)))
		return 0;
	return kp_fail(e, -EIO, "restore the file from a backup",
		       "the head of the audit log in %s was tampered with", l->path);
}

static int head_store(struct local *l, struct head *h, struct kp_error *e)
{
	if (head_mac(l, h, h->mac))
		return kp_fail(e, -EIO, NULL, "the MAC of the audit log failed");
	return db_run(l, e, "UPDATE state SET audit_count = ?, audit_head = ?, audit_mac = ? "
		      "WHERE id = 1", "ibb", h->count, h->hash, sizeof(h->hash), h->mac,
		      sizeof(h->mac));
}

int audit_begin(struct local *l, struct kp_error *e)
{
	struct head h = { .count = 0 };

	return head_store(l, &h, e);
}

/* ---- writing ------------------------------------------------------------------- */

static void principal_name(const char *principal, char ret[static LOCAL_PRINCIPAL_MAX])
{
	if (principal && principal[0])
		snprintf(ret, LOCAL_PRINCIPAL_MAX, "%s", principal);
	else
		snprintf(ret, LOCAL_PRINCIPAL_MAX, "operator:%u", (unsigned int)getuid());
}

int audit_append(struct local *l, const char *principal, const char *operation,
		 const char *object, const char *outcome, const char *detail, struct kp_error *e)
{
	char who[LOCAL_PRINCIPAL_MAX];
	struct record a = { .field = { who, operation, object, outcome, detail } };
	struct timespec t;
	struct head h;
	int r = head_load(l, &h, e);

	if (!r)
		r = head_verify(l, &h, e);
	if (r)
		return r;
	principal_name(principal, who);
	clock_gettime(CLOCK_REALTIME, &t);
	a.seq = h.count + 1;
	a.time_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (chain(h.hash, &a, h.hash))
		return kp_fail(e, -EIO, NULL, "the hash of the audit log failed");
	h.count = a.seq;
	r = db_run(l, e, "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "iisssssb", a.seq,
		   a.time_ms, who, operation, object, outcome, detail, h.hash, sizeof(h.hash));
	return r ? r : head_store(l, &h, e);
}

struct note {
	const char *principal, *operation, *object, *outcome, *detail;
};

static int note(struct local *l, void *arg, struct kp_error *e)
{
	const struct note *n = arg;

	return audit_append(l, n->principal, n->operation, n->object, n->outcome, n->detail, e);
}

/* Without the frame of a call, which would make a second record of it. */
int local_audit_note(struct local *l, const char *principal, const char *operation,
		     const char *object, const char *outcome, const char *detail,
		     struct kp_error *e)
{
	struct note n = { principal, operation, object, outcome, detail };

	return local_transaction(l, note, &n, e);
}

/* ---- reading ------------------------------------------------------------------- */

static void row_read(sqlite3_stmt *s, struct record *a)
{
	a->seq = sqlite3_column_int64(s, 0);
	a->time_ms = sqlite3_column_int64(s, 1);
	for (int i = 0; i < FIELDS; i++) {
		a->field[i] = (const char *)sqlite3_column_text(s, 2 + i);
		if (!a->field[i])
			a->field[i] = "";
	}
}

struct listing {
	const struct local_audit_filter *f;
	local_audit_fn *fn;
	void *arg;
};

static int list(struct local *l, void *arg, struct kp_error *e)
{
	const struct listing *q = arg;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	char vault[LOCAL_VAULT_MAX + 16] = "";
	struct record a;
	int r;

	if (q->f->vault)
		snprintf(vault, sizeof(vault), "local://%s/", q->f->vault);
	r = db_prepare(l, &s, e,
		       "SELECT * FROM (SELECT seq, time_ms, principal, operation, object, outcome,"
		       " detail FROM audit WHERE seq > ?1"
		       " AND (?2 = '' OR substr(object || '/', 1, length(?2)) = ?2)"
		       " AND (?3 IS NULL OR principal = ?3 OR object = ?3"
		       "      OR instr(detail, ?3) > 0)"
		       " ORDER BY seq DESC LIMIT ?4) ORDER BY seq",
		       "issi", q->f->after, vault, q->f->principal,
		       q->f->last ? (int64_t)q->f->last : (int64_t)-1);
	while (!r && (r = db_step(l, s, e)) == 1) {
		row_read(s, &a);
		r = q->fn(q->arg, &(struct local_audit){ a.seq, a.time_ms, a.field[0], a.field[1],
							 a.field[2], a.field[3], a.field[4] });
	}
	return r;
}

int local_audit_list(struct local *l, const struct local_audit_filter *f, local_audit_fn *fn,
		     void *arg, struct kp_error *e)
{
	struct listing q = { f, fn, arg };

	return local_snapshot(l, list, &q, e);
}

static int broken(struct kp_error *e, int64_t seq, const char *why)
{
	return kp_fail(e, -EBADMSG, "compare with a backup of vault.db from before the change",
		       "the audit log is not as it was written: record %lld %s", (long long)seq,
		       why);
}

static int verify(struct local *l, void *arg, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	uint8_t hash[HASH_LEN] = { 0 };
	uint64_t *ret = arg;
	struct record a;
	struct head h;
	int r;

	*ret = 0;
	r = head_load(l, &h, e);
	if (!r && head_verify(l, &h, NULL))
		return broken(e, h.count, "is not the last one that was written");
	if (!r)
		r = db_prepare(l, &s, e, "SELECT seq, time_ms, principal, operation, object, "
			       "outcome, detail, hash FROM audit ORDER BY seq", "");
	while (!r && (r = db_step(l, s, e)) == 1) {
		row_read(s, &a);
		r = chain(hash, &a, hash);
		if (r)
			break;
		*ret += 1;
		if (a.seq != (int64_t)*ret)
			return broken(e, (int64_t)*ret, "is missing");
		if (sqlite3_column_bytes(s, 7) != HASH_LEN ||
		    memcmp(hash, sqlite3_column_blob(s, 7), HASH_LEN) != 0)
			return broken(e, a.seq, "was changed");
	}
	if (r)
		return r;
	if ((int64_t)*ret != h.count || memcmp(hash, h.hash, HASH_LEN) != 0) {
		*ret += 1;
		return broken(e, (int64_t)*ret, "is missing");
	}
	return 0;
}

int local_audit_verify(struct local *l, uint64_t *ret_count, struct kp_error *e)
{
	return local_snapshot(l, verify, ret_count, e);
}
