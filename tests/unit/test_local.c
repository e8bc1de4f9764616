/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded vault as a provider: every way of taking access away and giving
 * it back, versions, and being woken.
 */
/* link: -Wl,--wrap=inotify_init1 */
#include "vault_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "crypto/secret.h"

static bool no_inotify;

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);

int __wrap_inotify_init1(int flags)
{
	errno = EMFILE;
	return no_inotify ? -1 : __real_inotify_init1(flags);
}

static int unwrap(struct fixture *f, const char *kid)
{
	uint8_t out[KP_SECRET_LEN];
	int r = kp_local.unwrap(f->kp, kid, f->blob, f->blob_len, out, &e);
	static const uint8_t zero[KP_SECRET_LEN];

	if (r)
		assert_memory_equal(out, zero, sizeof(out));
	else
		assert_memory_equal(out, f->secret, sizeof(out));
	return r;
}

static int wrap(struct fixture *f)
{
	uint8_t blob[KP_BLOB_MAX];
	char kid[KP_URI_MAX];
	size_t n;

	return kp_local.wrap(f->kp, f->secret, sizeof(f->secret), blob, &n, kid, &e);
}

static int describe(struct fixture *f, const char *kid, struct kp_info *ret)
{
	return kp_local.describe(f->kp, kid, ret, &e);
}

/* What a volume is told at `key set` and at every check of its lease. */
static int acceptable(struct fixture *f)
{
	struct kp_info i;
	int r = describe(f, f->kid, &i);

	return r ? r : kp_acceptable(&i, &f->ctx, time(NULL), &e);
}

/* ---- taking away, giving back -------------------------------------------------- */

static void key_switch(struct fixture *f, bool take)
{
	OK(local_key_enable(f->l, KEY, !take, &e));
}

static void version_switch(struct fixture *f, bool take)
{
	OK(local_key_enable(f->l, f->kid, !take, &e));
}

static void key_deletion(struct fixture *f, bool take)
{
	OK(take ? local_key_delete(f->l, KEY, &e) : local_key_recover(f->l, KEY, &e));
}

static void version_deletion(struct fixture *f, bool take)
{
	OK(take ? local_key_delete(f->l, f->kid, &e) : local_key_recover(f->l, f->kid, &e));
}

static void vault_deletion(struct fixture *f, bool take)
{
	OK(take ? local_vault_delete(f->l, "prod", &e) : local_vault_recover(f->l, "prod", &e));
}

static void identity_switch(struct fixture *f, bool take)
{
	OK(local_identity_switch(f->l, WHO, !take, &e));
}

static void policy_removal(struct fixture *f, bool take)
{
	OK(take ? local_policy_delete(f->l, "prod", WHO, &e) :
		  local_policy_set(f->l, "prod", WHO, PERM_USE, &e));
}

static void no_get(struct fixture *f, bool take)
{
	OK(local_policy_set(f->l, "prod", WHO, take ? PERM_USE & ~PERM_GET : PERM_USE, &e));
}

static void no_wrap(struct fixture *f, bool take)
{
	OK(local_policy_set(f->l, "prod", WHO, take ? PERM_USE & ~PERM_WRAP : PERM_USE, &e));
}

static void no_unwrap(struct fixture *f, bool take)
{
	OK(local_policy_set(f->l, "prod", WHO, take ? PERM_USE & ~PERM_UNWRAP : PERM_USE, &e));
}

static void firewall(struct fixture *f, bool take)
{
	OK(local_vault_firewall(f->l, "prod", true, !take, &e));
}

static void expiry(struct fixture *f, bool take)
{
	OK(local_key_update(f->l, f->kid, LOCAL_UNCHANGED, take ? time(NULL) - 1 : 0, &e));
}

static void early(struct fixture *f, bool take)
{
	OK(local_key_update(f->l, f->kid, take ? time(NULL) + 3600 : 0, LOCAL_UNCHANGED, &e));
}

static void credential_move(struct fixture *f, bool take)
{
	char a[256], b[256];

	fixture_path(f, "identities/" WHO ".cred", a);
	fixture_path(f, "away", b);
	assert_int_equal(take ? rename(a, b) : rename(b, a), 0);
}

static void credential_damage(struct fixture *f, bool take)
{
	char path[256];
	uint8_t c;
	int fd;

	(void)take; /* twice gives it back */
	fixture_path(f, "identities/" WHO ".cred", path);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &c, 1, 31), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, 31), 1);
	close(fd);
}

static void credential_open_to_all(struct fixture *f, bool take)
{
	char path[256];

	fixture_path(f, "identities/" WHO ".cred", path);
	assert_int_equal(chmod(path, take ? 0640 : 0600), 0);
}

static void move(struct fixture *f, const char *name, bool take)
{
	char a[256], b[256];

	fixture_path(f, name, a);
	fixture_path(f, "away", b);
	assert_int_equal(take ? rename(a, b) : rename(b, a), 0);
}

static void database_move(struct fixture *f, bool take)
{
	move(f, "vault.db", take);
}

static void master_move(struct fixture *f, bool take)
{
	move(f, "vault.key", take);
}

static void master_open_to_all(struct fixture *f, bool take)
{
	char path[256];

	fixture_path(f, "vault.key", path);
	assert_int_equal(chmod(path, take ? 0604 : 0600), 0);
}

static const struct way {
	const char *name;
	void (*turn)(struct fixture *f, bool take);
	int describe, unwrap, wrap, acceptable;
	const char *hint; /* of the refusal of a check */

} ways[] = {
	{ "key disabled", key_switch, 0, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED,
	  "cmkfs vault key enable " KEY },
	{ "version disabled", version_switch, 0, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED,
	  "cmkfs vault key enable " KEY },
	{ "key deleted", key_deletion, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED,
	  "cmkfs vault key recover " KEY },
	{ "version deleted", version_deletion, -EKEYREVOKED, -EKEYREVOKED, -ENOENT, -EKEYREVOKED,
	  "cmkfs vault key recover " KEY "/" },
	{ "vault deleted", vault_deletion, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED,
	  "cmkfs vault recover prod" },
	{ "identity off", identity_switch, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED, -EKEYREVOKED,
	  "cmkfs identity on DIR" },
	{ "policy gone", policy_removal, -EACCES, -EACCES, -EACCES, -EACCES,
	  "cmkfs vault policy set prod " WHO " get,wrapKey,unwrapKey" },
	{ "no get", no_get, -EACCES, 0, 0, -EACCES,
	  "cmkfs vault policy set prod " WHO " get,wrapKey,unwrapKey" },
	{ "no wrapKey", no_wrap, 0, 0, -EACCES, -EACCES,
	  "cmkfs vault policy set prod " WHO " get,wrapKey,unwrapKey" },
	{ "no unwrapKey", no_unwrap, 0, -EACCES, 0, -EACCES,
	  "cmkfs vault policy set prod " WHO " get,wrapKey,unwrapKey" },
	{ "firewall", firewall, -EACCES, -EACCES, -EACCES, -EACCES,
	  "cmkfs vault firewall prod on --trusted-services" },
	{ "expired", expiry, 0, -EKEYEXPIRED, -EKEYEXPIRED, -EKEYEXPIRED,
	  "--expires none" },
	{ "not yet valid", early, 0, -EKEYEXPIRED, -EKEYEXPIRED, -EKEYEXPIRED,
	  "--not-before none" },
	{ "credential gone", credential_move, -EACCES, -EACCES, -EACCES, -EACCES,
	  "cmkfs identity on DIR" },
	{ "credential damaged", credential_damage, -EACCES, -EACCES, -EACCES, -EACCES,
	  "cmkfs identity on DIR" },
	{ "credential open", credential_open_to_all, -EACCES, -EACCES, -EACCES, -EACCES,
	  "cmkfs identity on DIR" },
	{ "database gone", database_move, -EIO, -EIO, -EIO, -EIO, "from a backup" },
	{ "master key gone", master_move, -EIO, -EIO, -EIO, -EIO, "mode 0600" },
	{ "master key open", master_open_to_all, -EIO, -EIO, -EIO, -EIO, "chmod 600" },
};

static void expect(struct fixture *f, const struct way *w, const char *call, int r, int want)
{
	(void)f;
	if (r != want)
		fail_msg("%s: %s: %d, not %d (%s)", w->name, call, r, want, r ? e.message : "");
	if (r && (!e.message[0] || !strstr(e.hint, r == w->acceptable ? w->hint : "")))
		fail_msg("%s: %s: '%s', '%s'", w->name, call, e.message, e.hint);
}

static void every_way_takes_access_and_gives_it_back(void **state)
{
	struct fixture *f = *state;
	struct kp_info i;

	for (size_t n = 0; n < ARRAY_SIZE(ways); n++) {
		const struct way *w = &ways[n];

		OK(unwrap(f, f->kid));
		w->turn(f, true);
		expect(f, w, "describe", describe(f, f->kid, &i), w->describe);
		expect(f, w, "acceptable", acceptable(f), w->acceptable);
		expect(f, w, "unwrap", unwrap(f, f->kid), w->unwrap);
		expect(f, w, "wrap", wrap(f), w->wrap);
		w->turn(f, false);
		OK(acceptable(f));
		OK(unwrap(f, f->kid));
		OK(wrap(f));
	}
}

static void refusal_names_vault_or_key(void **state)
{
	struct fixture *f = *state;

	for (size_t n = 0; n < ARRAY_SIZE(ways); n++) {
		ways[n].turn(f, true);
		assert_int_not_equal(acceptable(f), 0);
		if (!strstr(e.message, "prod") && !strstr(e.message, WHO) &&
		    !strstr(e.message, "vault."))
			fail_msg("%s: '%s'", ways[n].name, e.message);
		ways[n].turn(f, false);
	}
}

static void what_is_not_there_is_enoent(void **state)
{
	static const char *const uris[] = {
		"local://nope/keys/k", "local://prod/keys/nope",
		"local://prod/keys/k/00000000000000000000000000000000",
	};
	struct fixture *f = *state;
	struct kp_info i;

	for (size_t n = 0; n < ARRAY_SIZE(uris); n++) {
		kp_local.close(f->kp);
		OK(kp_local.open(&f->ctx, uris[n], &f->kp, &e));
		FAILS(-ENOENT, describe(f, NULL, &i));
		assert_non_null(strstr(e.hint, "cmkfs vault"));
		FAILS(-ENOENT, unwrap(f, uris[n]));
		FAILS(-ENOENT, wrap(f));
	}
}

static void unknown_identity_is_denied(void **state)
{
	struct fixture *f = *state;
	struct kp_info i;

	kp_local.close(f->kp);
	f->ctx.principal = "cmkfs-9999";
	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	FAILS(-EACCES, describe(f, NULL, &i));
	FAILS(-EACCES, unwrap(f, NULL));
	f->ctx.principal = "../../etc/passwd";
	kp_local.close(f->kp);
	f->kp = NULL;
	FAILS(-EINVAL, kp_local.open(&f->ctx, KEY, &f->kp, &e));
}

static void purged_key_is_gone_for_good(void **state)
{
	struct fixture *f = *state;
	struct local_vault v = { .name = "soft", .soft_delete = true };
	struct local_key_options o = { 0 };
	char kid[KP_URI_MAX];

	OK(local_vault_create(f->l, &v, &e));
	OK(local_policy_set(f->l, "soft", WHO, PERM_USE, &e));
	OK(local_key_create(f->l, "local://soft/keys/k", &o, kid, &e));
	kp_local.close(f->kp);
	OK(kp_local.open(&f->ctx, "local://soft/keys/k", &f->kp, &e));
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), f->blob, &f->blob_len, kid, &e));
	OK(local_key_delete(f->l, "local://soft/keys/k", &e));
	FAILS(-EKEYREVOKED, unwrap(f, kid));
	OK(local_key_purge(f->l, "local://soft/keys/k", &e));
	FAILS(-ENOENT, unwrap(f, kid));
	OK(local_key_create(f->l, "local://soft/keys/k", &o, kid, &e));
	FAILS(-EBADMSG, unwrap(f, kid)); /* a new key of that name opens nothing old */
}

static void altered_blob_does_not_unwrap(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->blob_len; i += 17) {
		f->blob[i] ^= 1;
		FAILS(-EBADMSG, unwrap(f, f->kid));
		f->blob[i] ^= 1;
	}
	f->blob_len--;
	FAILS(-EBADMSG, unwrap(f, f->kid));
	f->blob_len = 0;
	FAILS(-EBADMSG, unwrap(f, f->kid));
	f->blob_len = KP_BLOB_MAX;
	FAILS(-EBADMSG, unwrap(f, f->kid));
}

static void secret_of_another_length_does_not_unwrap(void **state)
{
	static const size_t lens[] = { 1, 16, 31, 33, 64 };
	struct fixture *f = *state;
	uint8_t wrong[64] = { 1 }, out[KP_SECRET_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		OK(kp_local.wrap(f->kp, wrong, lens[i], f->blob, &f->blob_len, f->kid, &e));
		FAILS(-EBADMSG, kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	}
}

/* ---- versions ------------------------------------------------------------------ */

static void old_version_unwraps_and_newest_wraps(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { .bits = 3072 };
	char newest[KP_URI_MAX], kid[KP_URI_MAX];
	uint8_t blob[KP_BLOB_MAX];
	struct kp_info i;
	size_t n;

	OK(local_key_rotate(f->l, KEY, &o, newest, &e));
	assert_string_not_equal(newest, f->kid);
	OK(unwrap(f, f->kid));
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), blob, &n, kid, &e));
	assert_string_equal(kid, newest);
	assert_int_equal(n, 384);
	FAILS(-EBADMSG, unwrap(f, newest));
	OK(describe(f, f->kid, &i));
	assert_string_equal(i.kid, f->kid);
	assert_string_equal(i.newest, newest);
	assert_int_equal(i.bits, 2048);
	OK(describe(f, NULL, &i));
	assert_string_equal(i.kid, newest);
	assert_int_equal(i.bits, 3072);

	/* The old one disabled: only what it wrapped is lost. */
	OK(local_key_enable(f->l, f->kid, false, &e));
	FAILS(-EKEYREVOKED, unwrap(f, f->kid));
	OK(wrap(f));
	/* The newest one disabled: the older one is the newest that can be used. */
	OK(local_key_enable(f->l, f->kid, true, &e));
	OK(local_key_enable(f->l, newest, false, &e));
	OK(describe(f, NULL, &i));
	assert_string_equal(i.kid, f->kid);
	assert_string_equal(i.newest, f->kid);
}

static void version_in_the_uri_is_kept_to(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char newest[KP_URI_MAX], kid[KP_URI_MAX];
	uint8_t blob[KP_BLOB_MAX];
	size_t n;

	OK(local_key_rotate(f->l, KEY, &o, newest, &e));
	kp_local.close(f->kp);
	OK(kp_local.open(&f->ctx, f->kid, &f->kp, &e));
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), blob, &n, kid, &e));
	assert_string_equal(kid, f->kid);
	OK(local_key_enable(f->l, f->kid, false, &e));
	FAILS(-EKEYREVOKED, wrap(f));
}

static void kid_of_another_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	char other[KP_URI_MAX];

	OK(local_key_create(f->l, "local://prod/keys/other", &o, other, &e));
	FAILS(-EKEYREJECTED, unwrap(f, other));
	FAILS(-EINVAL, unwrap(f, "https://x/keys/y"));
}

static void description_says_all(void **state)
{
	struct fixture *f = *state;
	struct local_vault_change c = { LOCAL_UNCHANGED, LOCAL_UNCHANGED, LOCAL_UNCHANGED, "ten",
					"reg" };
	struct kp_info i;
	int64_t t = time(NULL);

	OK(local_vault_update(f->l, "prod", &c, &e));
	OK(local_key_update(f->l, f->kid, t - 10, t + 1000, &e));
	OK(describe(f, f->kid, &i));
	assert_string_equal(i.kid, f->kid);
	assert_string_equal(i.type, "RSA");
	assert_int_equal(i.bits, 2048);
	assert_true(i.enabled && i.soft_delete && i.purge_protection);
	assert_true(i.may_get && i.may_wrap && i.may_unwrap);
	assert_false(i.may_more || i.firewall_blocks || i.service_managed);
	assert_int_equal(i.not_before, t - 10);
	assert_int_equal(i.expires, t + 1000);
	assert_string_equal(i.vault, "prod");
	assert_string_equal(i.tenant, "ten");
	assert_string_equal(i.region, "reg");
	OK(local_policy_set(f->l, "prod", WHO, PERM_USE | PERM_LIST, &e));
	OK(describe(f, f->kid, &i));
	assert_true(i.may_more);
}

static void operator_sees_the_firewall_and_passes_it(void **state)
{
	struct fixture *f = *state;
	struct kp_info i;

	kp_local.close(f->kp);
	f->ctx.principal = NULL;
	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	OK(local_vault_firewall(f->l, "prod", true, false, &e));
	OK(unwrap(f, f->kid));
	OK(describe(f, NULL, &i));
	assert_true(i.firewall_blocks);
	FAILS(-EACCES, kp_acceptable(&i, &f->ctx, time(NULL), &e));
}

/* ---- the service's own keys ---------------------------------------------------- */

static void service_key_is_its_volumes_own(void **state)
{
	struct fixture *f = *state;
	char mine[KP_URI_MAX], again[KP_URI_MAX], theirs[KP_URI_MAX], kid[KP_URI_MAX];
	struct kp_info i;

	OK(local_service_key(&f->ctx, "aa01", mine, &e));
	assert_string_equal(mine, "local://service/keys/vol-aa01");
	OK(local_service_key(&f->ctx, "aa02", theirs, &e));
	OK(local_service_key(&f->ctx, "aa01", again, &e));
	assert_string_equal(mine, again);

	kp_local.close(f->kp);
	f->ctx.principal = "cmkfs-aa01";
	OK(kp_local.open(&f->ctx, mine, &f->kp, &e));
	OK(describe(f, NULL, &i));
	assert_true(i.service_managed && i.soft_delete && i.purge_protection);
	OK(kp_acceptable(&i, &f->ctx, time(NULL), &e));
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), f->blob, &f->blob_len, kid, &e));
	OK(unwrap(f, kid));

	kp_local.close(f->kp);
	OK(kp_local.open(&f->ctx, theirs, &f->kp, &e));
	FAILS(-EACCES, describe(f, NULL, &i));
	FAILS(-EACCES, unwrap(f, NULL));
	FAILS(-EACCES, wrap(f));
}

static void service_key_stays_disabled(void **state)
{
	struct fixture *f = *state;
	char uri[KP_URI_MAX];
	struct local_key k;

	OK(local_service_key(&f->ctx, "aa01", uri, &e));
	OK(local_key_enable(f->l, uri, false, &e));
	OK(local_service_key(&f->ctx, "aa01", uri, &e));
	OK(local_key_get(f->l, uri, &k, &e));
	assert_false(k.enabled);
	assert_int_equal(k.versions, 1);
	FAILS(-EINVAL, local_service_key(&f->ctx, "A/../b", uri, &e));
	FAILS(-EINVAL, local_service_key(&f->ctx, "", uri, &e));
}

/* ---- being woken --------------------------------------------------------------- */

/* Whether the watch says `changed` within MS. */
static bool woken(struct fixture *f, int ms)
{
	int64_t end = fixture_ms() + ms;
	struct pollfd p = { .fd = kp_local.watch_fd(f->kp), .events = POLLIN };
	bool changed = false;

	while (!changed && fixture_ms() < end)
		if (poll(&p, 1, (int)MAX(end - fixture_ms(), 0)) > 0)
			OK(kp_local.watch_read(f->kp, &changed));
	return changed;
}

static void every_way_wakes_the_watch(void **state)
{
	struct fixture *f = *state;

	woken(f, 50);
	for (size_t n = 0; n < ARRAY_SIZE(ways); n++)
		for (int take = 1; take >= 0; take--) {
			ways[n].turn(f, take);
			if (!woken(f, 2000))
				fail_msg("%s: not woken (%d)", ways[n].name, take);
		}
}

static void without_inotify_a_timer_looks(void **state)
{
	struct fixture *f = *state;

	no_inotify = true;
	kp_local.close(f->kp);
	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	no_inotify = false;
	assert_false(woken(f, 700));
	OK(unwrap(f, f->kid));
	assert_false(woken(f, 700));
	OK(local_key_enable(f->l, KEY, false, &e));
	assert_true(woken(f, 2000));
	assert_false(woken(f, 700));
}

static void own_calls_do_not_wake_the_watch(void **state)
{
	struct fixture *f = *state;
	struct kp_audit *a;
	struct kp_info i;
	char path[256];

	woken(f, 50);
	OK(unwrap(f, f->kid));
	OK(wrap(f));
	OK(describe(f, f->kid, &i));
	OK(kp_audit_open(f->dir, &a, &e));
	OK(kp_audit_note(a, WHO, "mount.lock", "/mnt", "ok", "", &e));
	kp_audit_close(a);
	assert_int_equal(local_key_enable(f->l, "local://prod/keys/nope", false, &e), -ENOENT);
	fixture_path(f, "unrelated", path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_false(woken(f, 300));
	OK(local_key_enable(f->l, KEY, false, &e)); /* and this does */
	assert_true(woken(f, 2000));
}

/* In a process of its own, which SQLite must not share with us by a fork. */
static pid_t disable_and_die(const char *dir)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "test_local", "--disable-and-die", dir, NULL);
		_exit(127);
	}
	return pid;
}

static int disable_and_die_main(const char *dir)
{
	struct local *l;

	if (local_open(dir, NULL, false, &l, &e) || local_key_enable(l, KEY, false, &e))
		return 1;
	return kill(getpid(), SIGKILL);
}

static void process_that_dies_after_its_commit_wakes_the_watch(void **state)
{
	struct fixture *f = *state;
	pid_t pid;
	int st;

	woken(f, 50);
	pid = disable_and_die(f->dir);
	assert_true(woken(f, 5000));
	FAILS(-EKEYREVOKED, unwrap(f, f->kid));
	waitpid(pid, &st, 0);
	assert_true(WIFSIGNALED(st));
}

static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

static void another_database_in_its_place_is_taken(void **state)
{
	struct fixture *f = *state;
	char db[256], copy[256];

	fixture_path(f, "vault.db", db);
	fixture_path(f, "copy", copy);
	kp_local.close(f->kp);
	local_close(f->l);
	copy_file(db, copy); /* all closed: the log is empty */
	OK(local_open(f->dir, NULL, false, &f->l, &e));
	OK(local_key_enable(f->l, KEY, false, &e));
	local_close(f->l);
	f->l = NULL;

	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	FAILS(-EKEYREVOKED, unwrap(f, f->kid));
	woken(f, 50);
	assert_int_equal(rename(copy, db), 0);
	assert_true(woken(f, 2000));
	/* The log of the old one does not belong to it. */
	OK(unwrap(f, f->kid));
}

/* ---- what is on the disk ------------------------------------------------------- */

static bool contains(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *buf;
	bool r;

	if (fd < 0)
		return false;
	fstat(fd, &st);
	buf = malloc((size_t)st.st_size + 1);
	r = read(fd, buf, (size_t)st.st_size) == st.st_size &&
	    memmem(buf, (size_t)st.st_size, p, n);
	free(buf);
	close(fd);
	return r;
}

static void private_key_is_on_disk_only_sealed(void **state)
{
	static const char *const files[] = { "vault.db", "vault.db-wal" };
	struct fixture *f = *state;
	struct local_key_options o = { 0 };
	uint8_t *private, *public;
	size_t n, m, found = 0;
	char kid[KP_URI_MAX], path[256];
	struct rsa *k;

	OK(rsa_generate(2048, &k));
	OK(rsa_private_der(k, &private, &n));
	OK(rsa_public_der(k, &public, &m));
	OK(local_key_import(f->l, KEY, private, n, &o, kid, &e));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		fixture_path(f, files[i], path);
		found += contains(path, public + 64, 64);
		/* Behind the modulus everything is private. */
		for (size_t at = 330; at + 16 < n; at += 16)
			assert_false(contains(path, private + at, 16));
	}
	assert_true(found > 0); /* so the search finds what is there */
	secret_free(private);
	free(public);
	rsa_free(k);
}

static void files_are_for_the_owner_only(void **state)
{
	static const char *const files[] = { "vault.db", "vault.db-wal", "vault.key",
					     "identities/" WHO ".cred" };
	struct fixture *f = *state;
	char path[256];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		fixture_path(f, files[i], path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	fixture_path(f, "identities", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* ---- many at once -------------------------------------------------------------- */

static int child(struct fixture *f, int rounds)
{
	struct kp_error err;
	uint8_t out[KP_SECRET_LEN];
	struct local *l;
	struct kp *kp;
	int r = kp_local.open(&f->ctx, KEY, &kp, &err) | local_open(f->dir, NULL, true, &l, &err);

	for (int i = 0; i < rounds && !r; i++) {
		r = kp_local.unwrap(kp, f->kid, f->blob, f->blob_len, out, &err);
		if (!r && memcmp(out, f->secret, sizeof(out)) != 0)
			r = -EBADMSG;
		if (!r)
			r = local_key_update(l, KEY, LOCAL_UNCHANGED, time(NULL) + 1000 + i, &err);
	}
	return r;
}

static void close_all(struct fixture *f)
{
	kp_local.close(f->kp);
	local_close(f->l);
	f->kp = NULL;
	f->l = NULL;
}

/* How many, without checkpoints. */
static uint64_t sound_records(const char *dir, const char *log)
{
	struct kp_audit_report rep;
	struct kp_audit *a;

	OK(kp_audit_open(dir, &a, &e));
	OK(kp_audit_verify(a, log, &rep, &e));
	kp_audit_close(a);
	return rep.records - rep.checkpoints;
}

static void processes_at_once_lose_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t before, after;
	pid_t pid[4];
	int st;

	before = sound_records(f->dir, "vault-prod");
	close_all(f); /* SQLite must not come with the fork */
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (!pid[i])
			_exit(child(f, 25) ? 1 : 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		waitpid(pid[i], &st, 0);
		assert_true(WIFEXITED(st) && !WEXITSTATUS(st));
	}
	OK(local_open(f->dir, NULL, false, &f->l, &e));
	after = sound_records(f->dir, "vault-prod");
	/* Each child's updates, and its unwraps as one. */
	assert_int_equal(after - before, ARRAY_SIZE(pid) * (25 + 1));
}

static void makers_at_once_make_one(void **state)
{
	char dir[] = "/tmp/cmkfs-vault.XXXXXX";
	struct local_vault v = { .soft_delete = true };
	struct kp_error err;
	struct local *l;
	pid_t pid[8];
	int st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		snprintf(v.name, sizeof(v.name), "v%zu", i);
		_exit(local_open(dir, NULL, true, &l, &err) || local_vault_create(l, &v, &err));
	}
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		waitpid(pid[i], &st, 0);
		assert_true(WIFEXITED(st) && !WEXITSTATUS(st));
	}
	OK(local_open(dir, NULL, false, &l, &e));
	local_close(l);
	assert_int_equal(sound_records(dir, "host"), 1);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		snprintf(v.name, sizeof(v.name), "vault-v%zu", i);
		assert_int_equal(sound_records(dir, v.name), 1);
	}
	fixture_rmtree(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(every_way_takes_access_and_gives_it_back),
		TEST(refusal_names_vault_or_key),
		TEST(what_is_not_there_is_enoent),
		TEST(unknown_identity_is_denied),
		TEST(purged_key_is_gone_for_good),
		TEST(altered_blob_does_not_unwrap),
		TEST(secret_of_another_length_does_not_unwrap),
		TEST(old_version_unwraps_and_newest_wraps),
		TEST(version_in_the_uri_is_kept_to),
		TEST(kid_of_another_key_is_refused),
		TEST(description_says_all),
		TEST(operator_sees_the_firewall_and_passes_it),
		TEST(service_key_is_its_volumes_own),
		TEST(service_key_stays_disabled),
		TEST(every_way_wakes_the_watch),
		TEST(without_inotify_a_timer_looks),
		TEST(own_calls_do_not_wake_the_watch),
		TEST(process_that_dies_after_its_commit_wakes_the_watch),
		TEST(another_database_in_its_place_is_taken),
		TEST(private_key_is_on_disk_only_sealed),
		TEST(files_are_for_the_owner_only),
		TEST(processes_at_once_lose_nothing),
		cmocka_unit_test(makers_at_once_make_one),
	};

	if (argc == 3 && !strcmp(argv[1], "--disable-and-die"))
		return disable_and_die_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
