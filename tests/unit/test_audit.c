/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit logs: what is recorded, and that no record can be changed, removed,
 * swapped or cut off unseen by someone without the master key.
 */
#include "vault_fixture.h"

#include <dirent.h>
#include <sys/wait.h>

#include "keyprov/audit/log.h"

#define VOLUME "cmkfs-00112233445566778899aabbccddeeff"
#define VOLUME_LOG "volume-00112233445566778899aabbccddeeff"
#define VAULT_LOG "vault-prod"

/* ---- looking ----------------------------------------------------------------------- */

struct seen {
	unsigned int n;
	char last[8192]; /* the newest line */
	const char *word;	 /* count only lines with it; NULL: all */
};

static int see(void *arg, const char *line, size_t n)
{
	struct seen *s = arg;

	if (s->word && !memmem(line, n, s->word, strlen(s->word)))
		return 0;
	s->n++;
	snprintf(s->last, sizeof(s->last), "%.*s", (int)n, line);
	return 0;
}

static struct kp_audit *open_log(struct fixture *f)
{
	struct kp_audit *a;

	OK(kp_audit_open(f->dir, &a, &e));
	return a;
}

/* Lines of a log that have WORD (NULL: all); the newest of them in RET, which may be NULL. */
static unsigned int lines(struct fixture *f, const char *name, const char *word, struct seen *ret)
{
	struct kp_audit_cursor c = { 0 };
	struct kp_audit *a = open_log(f);
	static struct seen s;

	s = (struct seen){ .word = word };
	OK(kp_audit_read(a, name, &c, see, &s, &e));
	kp_audit_close(a);
	if (ret)
		*ret = s;
	return s.n;
}

static int verify(struct fixture *f, const char *name, struct kp_audit_report *ret)
{
	struct kp_audit_report rep;
	struct kp_audit *a = open_log(f);
	int r = kp_audit_verify(a, name, ret ? ret : &rep, &e);

	kp_audit_close(a);
	return r;
}

static void has(const struct seen *s, const char *what)
{
	if (!strstr(s->last, what))
		fail_msg("no %s in %s", what, s->last);
}

/* ---- what is recorded -------------------------------------------------------------- */

static void allowed_and_refused_calls_are_recorded(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	char key[KP_URI_MAX + 16], actor[128];
	static struct seen s;

	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	lines(f, VAULT_LOG, NULL, &s);
	has(&s, "\"operation\":\"unwrapKey\"");
	has(&s, "\"principal\":\"" WHO "\"");
	has(&s, "\"outcome\":\"ok\"");
	snprintf(key, sizeof(key), "\"key\":\"%s\"", f->kid);
	has(&s, key);
	snprintf(actor, sizeof(actor), "\"actor\":{\"uid\":%u,\"pid\":%d,\"exe\":\"/",
		 (unsigned int)getuid(), getpid());
	has(&s, actor);
	OK(local_policy_delete(f->l, "prod", WHO, &e));
	lines(f, VAULT_LOG, NULL, &s);
	has(&s, "\"operation\":\"policy.delete\"");
	has(&s, "\"object\":\"local://prod\"");
	has(&s, "\"principal\":\"operator:");
	FAILS(-EACCES, kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	lines(f, VAULT_LOG, NULL, &s);
	has(&s, "\"outcome\":\"EACCES\"");
	has(&s, "does not grant unwrapKey"); /* the reason */
	FAILS(-ENOENT, local_vault_delete(f->l, "nope", &e));
	lines(f, "vault-nope", NULL, &s);
	has(&s, "\"outcome\":\"ENOENT\"");
}

static void same_answers_to_a_lease_are_recorded_once(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	struct kp_info info;
	unsigned int n;

	OK(kp_local.describe(f->kp, f->kid, &info, &e));
	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	n = lines(f, VAULT_LOG, NULL, NULL);
	for (int i = 0; i < 20; i++) {
		OK(kp_local.describe(f->kp, f->kid, &info, &e));
		OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	}
	assert_int_equal(lines(f, VAULT_LOG, NULL, NULL), n);
	OK(local_key_enable(f->l, KEY, false, &e));
	for (int i = 0; i < 5; i++)
		FAILS(-EKEYREVOKED,
		      kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	assert_int_equal(lines(f, VAULT_LOG, NULL, NULL), n + 2); /* the switch, one denial */
	OK(local_key_enable(f->l, KEY, true, &e));
	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	assert_int_equal(lines(f, VAULT_LOG, NULL, NULL), n + 4);
}

static void each_volume_and_vault_has_its_log(void **state)
{
	struct fixture *f = *state;
	struct local_vault v = { .name = "prod2", .soft_delete = true };
	struct kp_audit *a = open_log(f);
	unsigned int before = lines(f, VAULT_LOG, NULL, NULL);
	static struct seen s;

	OK(local_vault_create(f->l, &v, &e));
	assert_int_equal(lines(f, "vault-prod2", NULL, NULL), 1);
	assert_int_equal(lines(f, VAULT_LOG, NULL, NULL), before);
	OK(local_identity_create(f->l, VOLUME, &e));
	OK(kp_audit_note(a, VOLUME, "mount.lock", "/srv/a\"b\\c\n\xff\xc3\xa4", "ENOKEY", "12 ms",
			 &e));
	assert_int_equal(lines(f, VOLUME_LOG, NULL, &s), 2);
	has(&s, "\"object\":\"/srv/a\\\"b\\\\c\\u000a\\\\xff\xc3\xa4\"");
	has(&s, "\"detail\":\"12 ms\"");
	OK(kp_audit_note(a, "somebody", "x", "", "ok", "", &e));
	assert_true(lines(f, "host", "somebody", NULL) == 1);
	kp_audit_close(a);
	OK(verify(f, VOLUME_LOG, NULL));
	OK(verify(f, VAULT_LOG, NULL));
	OK(verify(f, "host", NULL));
	FAILS(-ENOENT, verify(f, "vault-never", NULL));
}

/* ---- what cannot be recorded --------------------------------------------------------- */

static void log_path(struct fixture *f, const char *log, const char *file, char ret[static 512])
{
	char dir[256];
	struct dirent *d;
	DIR *v;

	snprintf(dir, sizeof(dir), "%s/audit", f->dir);
	v = opendir(dir);
	assert_non_null(v);
	while ((d = readdir(v)))
		if (d->d_name[0] != '.')
			snprintf(ret, 512, "%s/%.30s/%s/%s", dir, d->d_name, log, file);
	closedir(v);
}

static void unwritable(struct fixture *f, bool on)
{
	char path[512], away[512];

	log_path(f, VAULT_LOG, "log.jsonl", path);
	log_path(f, VAULT_LOG, "away", away);
	assert_int_equal(on ? rename(path, away) || symlink("away", path) : rename(away, path), 0);
}

static void what_cannot_be_recorded_is_not_done(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zero[KP_SECRET_LEN];
	uint8_t out[KP_SECRET_LEN];

	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	unwritable(f, true);
	FAILS(-EIO, kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	assert_memory_equal(out, zero, sizeof(out)); /* not even what would not be recorded again */
	FAILS(-EIO, local_key_enable(f->l, KEY, false, &e));
	unwritable(f, false);
	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	OK(verify(f, VAULT_LOG, NULL));
}

static void best_effort_lets_keys_be_used_and_says_so(void **state)
{
	struct fixture *f = *state;
	uint8_t blob[KP_BLOB_MAX];
	char kid[KP_URI_MAX];
	size_t n;

	kp_audit_set_best_effort(true);
	unwritable(f, true);
	for (int i = 0; i < 3; i++)
		OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), blob, &n, kid, &e));
	FAILS(-EIO, local_key_enable(f->l, KEY, false, &e)); /* administration never */
	unwritable(f, false);
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), blob, &n, kid, &e));
	kp_audit_set_best_effort(false);
	assert_int_equal(lines(f, VAULT_LOG, "3 calls before this one could not be recorded", NULL),
			 1);
	OK(verify(f, VAULT_LOG, NULL));
}

/* ---- files and what is done to them ---------------------------------------------------- */

struct file {
	char path[512];
	char *p;
	size_t n;
};

static struct file load(const char *path)
{
	struct file r = { .p = NULL };
	FILE *s = fopen(path, "r");

	assert_non_null(s);
	snprintf(r.path, sizeof(r.path), "%s", path);
	fseek(s, 0, SEEK_END);
	r.n = (size_t)ftell(s);
	rewind(s);
	r.p = malloc(r.n + 1);
	assert_int_equal(fread(r.p, 1, r.n, s), r.n);
	fclose(s);
	return r;
}

static void store(const struct file *f, const char *p, size_t n)
{
	FILE *s = fopen(f->path, "w");

	assert_non_null(s);
	assert_int_equal(fwrite(p, 1, n, s), n);
	assert_int_equal(fclose(s), 0);
}

/* Offset of line I, or of the end; of N lines. */
static size_t line_at(const struct file *f, size_t i)
{
	const char *p = f->p;

	while (i-- && p < f->p + f->n)
		p = (char *)memchr(p, '\n', f->n - (size_t)(p - f->p)) + 1;
	return (size_t)(p - f->p);
}

static size_t count_lines(const struct file *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->p[i] == '\n';
	return n;
}

enum tamper { FLIP, REMOVE, SWAP, DOUBLE, CUT_BYTES, CUT_LINES, FOREIGN, WAYS };
static const char *const way_name[WAYS] = { "flip", "remove", "swap", "double", "cut bytes",
					    "cut lines", "foreign line" };

/* What FILE is after TAMPER, in P (of twice its size); its length. */
static size_t tampered(const struct file *f, enum tamper how, const struct file *other, char *p)
{
	size_t n = count_lines(f), i = (size_t)random() % n, k = (size_t)random() % n;
	size_t a = line_at(f, i), b = line_at(f, i + 1), c, d, len;

	memcpy(p, f->p, f->n);
	switch (how) {
	case FLIP:
		p[(size_t)random() % f->n] ^= (char)(1 << random() % 8);
		return f->n;
	case REMOVE:
		memmove(p + a, p + b, f->n - b);
		return f->n - (b - a);
	case SWAP:
		if (i == k)
			k = (i + 1) % n;
		a = line_at(f, MIN(i, k));
		b = line_at(f, MIN(i, k) + 1);
		c = line_at(f, MAX(i, k));
		d = line_at(f, MAX(i, k) + 1);
		len = a;
		memcpy(p + len, f->p + c, d - c);
		len += d - c;
		memcpy(p + len, f->p + b, c - b);
		len += c - b;
		memcpy(p + len, f->p + a, b - a);
		return f->n;
	case DOUBLE:
		memcpy(p + b, f->p + a, f->n - a);
		return f->n + (b - a);
	case CUT_BYTES:
		return (size_t)random() % f->n;
	case CUT_LINES:
		return a;
	default: /* the same number of another log of ours */
		c = line_at(other, i);
		d = line_at(other, i + 1);
		memcpy(p + a, other->p + c, d - c);
		memcpy(p + a + (d - c), f->p + b, f->n - b);
		return f->n - (b - a) + (d - c);
	}
}

static void every_random_change_is_found(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	struct kp_audit_report rep;
	struct file file[3], other;
	char path[512], *p;
	unsigned int seed = (unsigned int)time(NULL);

	/* 130 records and two checkpoints in an old file, some in the present one. */
	for (int i = 0; i < 150; i++) {
		OK(kp_audit_note(a, VOLUME, i % 3 ? "mount.read" : "mount.lock", "object", "ok",
				 "d", &e));
		OK(kp_audit_note(a, "other", "mount.read", "object", "ok", "d", &e));
		if (i == 130)
			OK(kp_audit_tidy(a, VOLUME_LOG, true, 0, NULL, &e));
	}
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	assert_int_equal(rep.records, 153);
	assert_int_equal(rep.checkpoints, 3);
	log_path(f, VOLUME_LOG, "log.000001.jsonl", path);
	file[0] = load(path);
	log_path(f, VOLUME_LOG, "log.jsonl", path);
	file[1] = load(path);
	log_path(f, VOLUME_LOG, "head", path);
	file[2] = load(path);
	log_path(f, "host", "log.jsonl", path);
	other = load(path);
	p = malloc(2 * (file[0].n + other.n));
	srandom(seed);
	for (int i = 0; i < 700; i++) {
		enum tamper how = i % WAYS;
		struct file *t = &file[how == FLIP && i % 5 == 0 ? 2 : random() % 2];
		size_t n = tampered(t, how, &other, p);

		store(t, p, n);
		if (kp_audit_verify(a, VOLUME_LOG, &rep, &e) != -EBADMSG)
			fail_msg("seed %u, round %d: %s of %s was not found", seed, i,
				 way_name[how],
				 t->path);
		assert_true(rep.first_bad > 0);
		store(t, t->p, t->n);
	}
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	free(p);
	free(other.p);
	for (int i = 0; i < 3; i++)
		free(file[i].p);
	kp_audit_close(a);
}

static void every_line_that_goes_alone_is_found(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	struct kp_audit_report rep;
	char path[512], *p;
	struct file t;

	for (int i = 0; i < 70; i++)
		OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	log_path(f, VOLUME_LOG, "log.jsonl", path);
	t = load(path);
	p = malloc(t.n);
	for (size_t i = 0; i < count_lines(&t); i++) {
		size_t b = line_at(&t, i), c = line_at(&t, i + 1);

		memcpy(p, t.p, b);
		memcpy(p + b, t.p + c, t.n - c);
		store(&t, p, t.n - (c - b));
		FAILS(-EBADMSG, kp_audit_verify(a, VOLUME_LOG, &rep, &e));
		assert_int_equal(rep.first_bad, i + 1);
		store(&t, t.p, b); /* and all after it */
		FAILS(-EBADMSG, kp_audit_verify(a, VOLUME_LOG, &rep, &e));
		assert_int_equal(rep.first_bad, i + 1);
	}
	remove(path);
	FAILS(-EBADMSG, kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	store(&t, t.p, t.n);
	log_path(f, VOLUME_LOG, "head", path);
	remove(path);
	FAILS(-EBADMSG, kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	free(p);
	free(t.p);
	kp_audit_close(a);
}

static void nothing_is_written_after_a_forged_end(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	char path[512];
	struct file t;

	for (int i = 0; i < 5; i++)
		OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	log_path(f, VOLUME_LOG, "log.jsonl", path);
	t = load(path);
	store(&t, t.p, line_at(&t, 4));
	FAILS(-EIO, kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	store(&t, t.p, t.n);
	OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	free(t.p);
	/* Away is away: what comes then is another log. */
	log_path(f, VOLUME_LOG, "", path);
	path[strlen(path) - 1] = '\0';
	log_path(f, "away", "", t.path);
	t.path[strlen(t.path) - 1] = '\0';
	assert_int_equal(rename(path, t.path), 0);
	OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	assert_int_equal(lines(f, VOLUME_LOG, NULL, NULL), 1);
	kp_audit_close(a);
}

/* ---- crashes ----------------------------------------------------------------------- */

static void a_crash_leaves_a_log_that_is_gone_on_with(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	struct kp_audit_report rep;
	char path[512];
	struct file head, log;

	for (int i = 0; i < 5; i++)
		OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	log_path(f, VOLUME_LOG, "head", path);
	head = load(path);
	for (int i = 0; i < 3; i++)
		OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	/* The head did not get to the disk, and a line got there in part. */
	store(&head, head.p, head.n);
	log_path(f, VOLUME_LOG, "log.jsonl", path);
	log = load(path);
	log.p = realloc(log.p, log.n + 9);
	memcpy(log.p + log.n, "{\"seq\":9,", 9);
	store(&log, log.p, log.n + 9);
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	assert_int_equal(rep.records, 8);
	OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	assert_int_equal(rep.records, 10); /* one says what was cut off */
	assert_int_equal(lines(f, VOLUME_LOG, "log.mend", NULL), 1);
	free(head.p);
	free(log.p);
	kp_audit_close(a);
}

static void a_crash_within_a_rotation_is_finished(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	struct kp_audit_report rep;
	char path[512], old[512];

	for (int i = 0; i < 5; i++)
		OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	OK(kp_audit_tidy(a, VOLUME_LOG, false, 0, NULL, &e));
	log_path(f, VOLUME_LOG, "log.jsonl", path);
	log_path(f, VOLUME_LOG, "log.000001.jsonl", old);
	assert_int_equal(rename(path, old), 0);
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	assert_int_equal(rep.records, 7);
	assert_int_equal(lines(f, VOLUME_LOG, NULL, NULL), 7);
	kp_audit_close(a);
}

static void a_call_that_was_not_kept_is_said(void **state)
{
	struct fixture *f = *state;
	char path[256], copy[256], wal[256];
	char cmd[600];

	fixture_path(f, "vault.db", path);
	fixture_path(f, "copy", copy);
	fixture_path(f, "vault.db-wal", wal);
	fixture_sql(f, "PRAGMA wal_checkpoint(TRUNCATE)");
	snprintf(cmd, sizeof(cmd), "cp %s %s", path, copy);
	assert_int_equal(system(cmd), 0);
	OK(local_key_enable(f->l, KEY, false, &e));
	kp_local.close(f->kp);
	f->kp = NULL;
	local_close(f->l);
	assert_int_equal(rename(copy, path), 0);
	unlink(wal);
	OK(local_open(f->dir, NULL, false, &f->l, &e));
	OK(local_key_enable(f->l, KEY, true, &e));
	assert_int_equal(lines(f, VAULT_LOG, "call.undone", NULL), 1);
	OK(local_key_enable(f->l, KEY, true, &e));
	assert_int_equal(lines(f, VAULT_LOG, "call.undone", NULL), 1);
	OK(verify(f, VAULT_LOG, NULL));
}

/* ---- rotation, readers, writers ------------------------------------------------------- */

static void old_files_go_when_told_and_only_then(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f);
	struct kp_audit_cursor c = { 0 };
	struct kp_audit_report rep;
	struct seen *s = calloc(1, sizeof(*s));
	unsigned int removed;
	char path[512];

	for (int k = 0; k < 4; k++) {
		for (int i = 0; i < 10; i++)
			OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
		OK(kp_audit_read(a, VOLUME_LOG, &c, see, s, &e));
		OK(kp_audit_tidy(a, VOLUME_LOG, true, 0, &removed, &e));
		assert_int_equal(removed, 0);
	}
	OK(kp_audit_read(a, VOLUME_LOG, &c, see, s, &e));
	assert_int_equal(s->n, 44); /* followed through all rotations, none twice */
	OK(kp_audit_tidy(a, VOLUME_LOG, false, 2, &removed, &e));
	assert_int_equal(removed, 2);
	OK(kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	assert_int_equal(rep.first, 23);
	assert_int_equal(rep.records, 23); /* two files of 11, and one that says it */
	log_path(f, VOLUME_LOG, "log.000003.jsonl", path);
	remove(path);
	FAILS(-EBADMSG, kp_audit_verify(a, VOLUME_LOG, &rep, &e));
	free(s);
	kp_audit_close(a);
}

static void writers_at_once_lose_nothing(void **state)
{
	struct fixture *f = *state;
	struct kp_audit_report rep;
	int status;

	for (int p = 0; p < 4; p++)
		if (!fork()) {
			struct kp_audit *a = open_log(f);

			for (int i = 0; i < 50; i++)
				if (kp_audit_note(a, VOLUME, "mount.read", "o", "ok", "d", NULL))
					_exit(1);
			_exit(0);
		}
	for (int p = 0; p < 4; p++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	OK(verify(f, VOLUME_LOG, &rep));
	assert_int_equal(rep.records, 200 + rep.checkpoints);
	assert_int_equal(rep.checkpoints, 3);
}

/* Who has the keys of another host cannot sign for this one. */
static void another_master_key_begins_other_logs(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a = open_log(f), *b;
	char path[256], one[KP_AUDIT_PUBLIC_MAX], two[KP_AUDIT_PUBLIC_MAX];
	struct kp_audit_report rep;

	OK(kp_audit_note(a, VOLUME, "mount.read", "object", "ok", "d", &e));
	fixture_path(f, "vault.key", path);
	remove(path);
	FAILS(-EIO, kp_audit_open(f->dir, &b, &e)); /* none is made beside a database */
	fixture_path(f, "vault.db", path);
	remove(path);
	OK(kp_audit_open(f->dir, &b, &e));
	kp_audit_public(a, one);
	kp_audit_public(b, two);
	assert_string_not_equal(one, two);
	FAILS(-ENOENT, kp_audit_verify(b, VOLUME_LOG, &rep, &e));
	kp_audit_close(a);
	kp_audit_close(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(allowed_and_refused_calls_are_recorded),
		TEST(same_answers_to_a_lease_are_recorded_once),
		TEST(each_volume_and_vault_has_its_log),
		TEST(what_cannot_be_recorded_is_not_done),
		TEST(best_effort_lets_keys_be_used_and_says_so),
		TEST(every_random_change_is_found),
		TEST(every_line_that_goes_alone_is_found),
		TEST(nothing_is_written_after_a_forged_end),
		TEST(a_crash_leaves_a_log_that_is_gone_on_with),
		TEST(a_crash_within_a_rotation_is_finished),
		TEST(a_call_that_was_not_kept_is_said),
		TEST(old_files_go_when_told_and_only_then),
		TEST(writers_at_once_lose_nothing),
		TEST(another_master_key_begins_other_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
