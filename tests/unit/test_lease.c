/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases, with a provider that does what a test tells it: states, timers,
 * grace, pauses, and a provider that hangs.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "keyprov/lease.h"

#define PATIENCE_MS 5000

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* ---- the provider: keys "fake://N", each with answers of its own --------------- */

#define KEYS 4

static struct script {
	atomic_int open, describe, unwrap; /* what they return */
	atomic_int hang_ms;		   /* of unwrap */
	atomic_int opens, describes, unwraps;
	_Atomic int64_t expires, not_before;
	atomic_bool rotated;
	atomic_bool other_key; /* unwrap gives another key than the slot holds */
	atomic_int event_fd;
} scripts[KEYS];

struct kp {
	struct script *s;
	int n;
};

static int fake_check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	(void)e;
	snprintf(ret, KP_URI_MAX, "%s", uri);
	return 0;
}

static int answer(int code, struct kp_error *e, const char *what)
{
	return code ? kp_fail(e, code, "hint", "%s says %d", what, code) : 0;
}

static int fake_open(const struct kp_context *ctx, const char *uri, struct kp **ret,
		     struct kp_error *e)
{
	int n = atoi(uri + 7), r = answer(scripts[n].open, e, "open");

	assert_string_equal(ctx->state_dir, "/nowhere");
	scripts[n].opens++;
	if (r)
		return r;
	*ret = malloc(sizeof(**ret));
	**ret = (struct kp){ &scripts[n], n };
	return 0;
}

static int fake_describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	kp->s->describes++;
	if (kp->s->describe)
		return answer(kp->s->describe, e, "describe");
	*ret = (struct kp_info){ .type = "RSA", .bits = 2048, .enabled = true, .soft_delete = true,
				 .purge_protection = true, .may_get = true, .may_wrap = true,
				 .may_unwrap = true, .vault = "fake" };
	snprintf(ret->kid, sizeof(ret->kid), "%s", kid);
	snprintf(ret->newest, sizeof(ret->newest), "%s%s", kid, kp->s->rotated ? "/new" : "");
	ret->expires = kp->s->expires;
	ret->not_before = kp->s->not_before;
	return 0;
}

static int fake_wrap(struct kp *kp, const uint8_t *secret, size_t n,
		     uint8_t ret[static KP_BLOB_MAX], size_t *ret_n,
		     char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	(void)kp;
	(void)secret;
	(void)n;
	(void)ret;
	(void)ret_n;
	(void)ret_kid;
	return answer(-ENOTSUP, e, "wrap");
}

static int fake_unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		       struct kp_error *e)
{
	(void)kid;
	kp->s->unwraps++;
	if (kp->s->hang_ms)
		sleep_ms(kp->s->hang_ms);
	if (kp->s->unwrap)
		return answer(kp->s->unwrap, e, "unwrap");
	assert_int_equal(n, 1);
	memset(ret, blob[0] + (kp->s->other_key ? 1 : 0), KP_SECRET_LEN);
	return 0;
}

static int fake_watch_fd(struct kp *kp)
{
	return kp->s->event_fd;
}

static int fake_watch_read(struct kp *kp, bool *ret_changed)
{
	eventfd_t n;

	*ret_changed = !eventfd_read(kp->s->event_fd, &n);
	return 0;
}

static void fake_close(struct kp *kp)
{
	free(kp);
}

static const char *const schemes[] = { "fake://", NULL };

static const struct kp_ops fake = {
	.name = "fake", .summary = "", .schemes = schemes, .watched = true, .check = fake_check,
	.open = fake_open, .describe = fake_describe, .wrap = fake_wrap, .unwrap = fake_unwrap,
	.watch_fd = fake_watch_fd, .watch_read = fake_watch_read, .close = fake_close,
};

/* In place of keyprov/providers.c. */
const struct kp_ops *const kp_providers[] = { &fake, NULL };
const struct kp_lack kp_lacking[] = { { NULL, NULL, NULL } };

/* ---- what the lease tells ------------------------------------------------------ */

static struct heard {
	pthread_mutex_t lock;
	unsigned int calls;
	struct lease_status last;
	uint8_t vk[KP_SECRET_LEN];
	const uint8_t *where; /* VK was */
	int refuse;	      /* what a grant returns */
	bool in_fn, twice_at_once;
} heard;

static int hear(void *arg, const struct lease_status *s, const uint8_t *vk)
{
	struct heard *h = arg;
	int r = 0;

	pthread_mutex_lock(&h->lock);
	h->twice_at_once |= h->in_fn;
	h->in_fn = true;
	pthread_mutex_unlock(&h->lock);
	sleep_ms(1);
	pthread_mutex_lock(&h->lock);
	assert_int_equal(s->state == LEASE_GRANTED, vk != NULL);
	if (vk) {
		memcpy(h->vk, vk, sizeof(h->vk));
		h->where = vk;
		r = h->refuse;
	}
	h->last = *s;
	h->calls++;
	h->in_fn = false;
	pthread_mutex_unlock(&h->lock);
	return r;
}

static struct lease_status last(unsigned int *ret_calls)
{
	struct lease_status s;

	pthread_mutex_lock(&heard.lock);
	s = heard.last;
	if (ret_calls)
		*ret_calls = heard.calls;
	pthread_mutex_unlock(&heard.lock);
	return s;
}

static unsigned int heard_calls(void)
{
	unsigned int n;

	last(&n);
	return n;
}

/* Wait until STATE is told; how long it took. */
static int64_t wait_for(enum lease_state state)
{
	int64_t t = now_ms();

	while (last(NULL).state != state) {
		if (now_ms() - t > PATIENCE_MS)
			fail_msg("state %d does not come, it is %d", state, last(NULL).state);
		sleep_ms(1);
	}
	return now_ms() - t;
}

static const struct kp_context ctx = { .state_dir = "/nowhere", .principal = "p" };
static const uint8_t blobs[KEYS] = { 0xa0, 0xa1, 0xa2, 0xa3 };
static const struct lease_slot slots[KEYS] = {
	{ "fake://0", &blobs[0], 1 }, { "fake://1", &blobs[1], 1 },
	{ "fake://2", &blobs[2], 1 }, { "fake://3", &blobs[3], 1 },
};
static struct lease *lease;

static int setup(void **state)
{
	(void)state;
	memset(&heard, 0, sizeof(heard));
	pthread_mutex_init(&heard.lock, NULL);
	for (int i = 0; i < KEYS; i++) {
		memset(&scripts[i], 0, sizeof(scripts[i]));
		scripts[i].event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lease_stop(lease);
	lease = NULL;
	assert_false(heard.twice_at_once);
	for (int i = 0; i < KEYS; i++)
		close(scripts[i].event_fd);
	return 0;
}

static void start(unsigned int n, unsigned int period_ms, unsigned int grace_ms)
{
	struct lease_options o = { .period_ms = period_ms, .grace_ms = grace_ms };

	assert_int_equal(lease_start(&ctx, slots, n, &o, hear, &heard, &lease), 0);
}

static void change(int key)
{
	eventfd_write(scripts[key].event_fd, 1);
}

/* ---- the first check ----------------------------------------------------------- */

static void grant_comes_with_the_key_before_start_returns(void **state)
{
	struct lease_status s;

	(void)state;
	start(1, 60000, 60000);
	assert_int_equal(heard.calls, 1);
	assert_int_equal(heard.last.state, LEASE_GRANTED);
	for (int i = 0; i < KP_SECRET_LEN; i++)
		assert_int_equal(heard.vk[i], 0xa0);
	lease_status(lease, &s);
	assert_int_equal(s.state, LEASE_GRANTED);
	assert_string_equal(s.kid, "fake://0");
	assert_in_range(s.confirmed_ms_ago, 0, PATIENCE_MS);
}

static void key_is_wiped_after_it_was_told(void **state)
{
	static const uint8_t zero[KP_SECRET_LEN];

	(void)state;
	start(1, 60000, 60000);
	assert_memory_not_equal(heard.vk, zero, sizeof(zero));
	assert_memory_equal(heard.where, zero, sizeof(zero));
}

static void denial_at_start_is_told_not_returned(void **state)
{
	struct lease_status s;

	(void)state;
	scripts[0].unwrap = -EKEYREVOKED;
	start(1, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_DENIED);
	assert_int_equal(heard.last.app_errno, EKEYREVOKED);
	assert_string_equal(heard.last.error.message, "unwrap says -128");
	lease_status(lease, &s);
	assert_int_equal(s.confirmed_ms_ago, -1);
}

static void never_reached_is_lost_without_a_grace(void **state)
{
	(void)state;
	scripts[0].describe = -EAGAIN;
	start(1, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_LOST);
	assert_int_equal(heard.last.app_errno, ENOKEY);
	scripts[0].describe = 0;
	change(0);
	wait_for(LEASE_GRANTED);
}

static void every_denial_has_its_errno(void **state)
{
	(void)state;
	for (const struct kp_error_row *r = kp_error_table; r->code; r++) {
		setup(NULL);
		scripts[0].unwrap = r->code;
		start(1, 60000, 60000);
		assert_int_equal(heard.last.state, r->denied ? LEASE_DENIED : LEASE_LOST);
		assert_int_equal(heard.last.app_errno, r->denied ? r->app_errno : ENOKEY);
		teardown(NULL);
	}
	setup(NULL);
}

/* ---- denied and granted -------------------------------------------------------- */

static void change_is_noticed_at_once_both_ways(void **state)
{
	int64_t worst = 0;

	(void)state;
	start(1, 60000, 60000);
	for (int i = 0; i < 20; i++) {
		scripts[0].unwrap = -EKEYREVOKED;
		change(0);
		worst = MAX(worst, wait_for(LEASE_DENIED));
		scripts[0].unwrap = 0;
		change(0);
		worst = MAX(worst, wait_for(LEASE_GRANTED));
	}
	assert_in_range(worst, 0, 1000);
}

static void denial_and_grant_500_times(void **state)
{
	int64_t t = now_ms();

	(void)state;
	start(1, 60000, 60000);
	for (int i = 0; i < 500; i++) {
		scripts[0].unwrap = i & 1 ? 0 : -EKEYREVOKED;
		change(0);
		if (i % 50 == 0)
			sleep_ms(1);
	}
	wait_for(LEASE_GRANTED); /* as the last one said */
	sleep_ms(50);
	assert_int_equal(last(NULL).state, LEASE_GRANTED);
	assert_in_range(now_ms() - t, 0, PATIENCE_MS);
}

static void nothing_is_told_without_a_change(void **state)
{
	unsigned int calls;

	(void)state;
	start(1, 60000, 60000);
	for (int i = 0; i < 10; i++) {
		lease_kick(lease);
		sleep_ms(5);
	}
	assert_true(scripts[0].unwraps > 5);
	last(&calls);
	assert_int_equal(calls, 1);
}

static void period_asks_without_any_event(void **state)
{
	(void)state;
	start(1, 100, 60000);
	scripts[0].unwrap = -EACCES;
	assert_in_range(wait_for(LEASE_DENIED), 0, 1000);
	scripts[0].unwrap = 0;
	wait_for(LEASE_GRANTED);
}

static void wrong_key_of_a_zone_is_a_denial(void **state)
{
	(void)state;
	heard.refuse = -EKEYREJECTED;
	start(1, 60000, 60000);
	assert_int_equal(last(NULL).state, LEASE_DENIED);
	assert_int_equal(last(NULL).app_errno, EKEYREVOKED);
	assert_int_equal(last(NULL).error.code, -EKEYREJECTED);
	pthread_mutex_lock(&heard.lock);
	heard.refuse = 0;
	pthread_mutex_unlock(&heard.lock);
	lease_kick(lease);
	wait_for(LEASE_GRANTED);
}

static void other_key_does_not_renew_a_lease(void **state)
{
	(void)state;
	heard.refuse = -EKEYREJECTED;
	start(1, 60000, 60000); /* what was refused is no key to compare with */
	pthread_mutex_lock(&heard.lock);
	heard.refuse = 0;
	pthread_mutex_unlock(&heard.lock);
	scripts[0].other_key = true;
	lease_kick(lease);
	wait_for(LEASE_GRANTED);
	scripts[0].other_key = false;
	lease_kick(lease);
	wait_for(LEASE_DENIED);
	assert_int_equal(last(NULL).error.code, -EKEYREJECTED);
	scripts[0].other_key = true;
	lease_kick(lease);
	wait_for(LEASE_GRANTED);
}

static void unacceptable_key_is_denied_though_it_unwraps(void **state)
{
	(void)state;
	scripts[0].expires = time(NULL) - 10;
	start(1, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_DENIED);
	assert_int_equal(heard.last.app_errno, EKEYEXPIRED);
	assert_int_equal(scripts[0].unwraps, 0);
}

static void rotation_is_told_once_with_the_key(void **state)
{
	unsigned int calls;

	(void)state;
	start(1, 60000, 60000);
	assert_string_equal(heard.last.newest, "fake://0");
	scripts[0].rotated = true;
	for (int i = 0; i < 5; i++) {
		change(0);
		sleep_ms(20);
	}
	assert_string_equal(last(&calls).newest, "fake://0/new");
	assert_string_equal(last(NULL).kid, "fake://0");
	assert_int_equal(calls, 2);
}

/* ---- time ---------------------------------------------------------------------- */

static void expiry_locks_when_it_comes(void **state)
{
	int64_t end = time(NULL) + 2;

	(void)state;
	scripts[0].expires = end;
	start(1, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_GRANTED);
	assert_int_equal(heard.last.expires, end);
	wait_for(LEASE_DENIED);
	assert_int_equal(last(NULL).app_errno, EKEYEXPIRED);
	assert_in_range(time(NULL), end, end + 1);
}

static void not_before_unlocks_when_it_comes(void **state)
{
	int64_t begin = time(NULL) + 2;

	(void)state;
	scripts[0].not_before = begin;
	start(1, 60000, 60000);
	assert_int_equal(heard.last.app_errno, EKEYEXPIRED);
	wait_for(LEASE_GRANTED);
	assert_in_range(time(NULL), begin, begin + 1);
}

static void unreachable_is_grace_then_lost(void **state)
{
	int64_t t = now_ms();
	struct lease_status s;

	(void)state;
	start(1, 300, 600);
	scripts[0].unwrap = -EAGAIN;
	change(0);
	wait_for(LEASE_GRACE);
	assert_true(now_ms() - t >= 300); /* not before the lease ends */
	assert_int_equal(last(NULL).app_errno, 0);
	assert_int_equal(last(NULL).error.code, -EAGAIN);
	lease_status(lease, &s);
	assert_in_range(s.grace_left_ms, 1, 600);
	wait_for(LEASE_LOST);
	assert_in_range(now_ms() - t, 900, 900 + PATIENCE_MS);
	assert_int_equal(last(NULL).app_errno, ENOKEY);
	scripts[0].unwrap = 0;
	change(0);
	wait_for(LEASE_GRANTED);
}

static void grace_ends_in_a_grant_or_a_denial(void **state)
{
	(void)state;
	start(1, 100, 60000);
	scripts[0].unwrap = -EPROTO;
	wait_for(LEASE_GRACE);
	scripts[0].unwrap = 0;
	wait_for(LEASE_GRANTED);
	scripts[0].unwrap = -EIO;
	wait_for(LEASE_GRACE);
	scripts[0].unwrap = -EKEYREVOKED;
	wait_for(LEASE_DENIED);
}

static void denial_stays_when_the_vault_goes_away(void **state)
{
	(void)state;
	start(1, 100, 300);
	scripts[0].unwrap = -EKEYREVOKED;
	change(0);
	wait_for(LEASE_DENIED);
	scripts[0].unwrap = -EAGAIN;
	change(0);
	sleep_ms(600);
	assert_int_equal(last(NULL).state, LEASE_DENIED);
	assert_int_equal(last(NULL).app_errno, EKEYREVOKED);
}

static void strict_has_no_grace(void **state)
{
	unsigned int calls;

	(void)state;
	start(1, 200, 0);
	scripts[0].describe = -EAGAIN;
	wait_for(LEASE_LOST);
	last(&calls);
	assert_int_equal(calls, 2); /* no grace between */
}

static void only_an_unwrap_extends_the_lease(void **state)
{
	(void)state;
	start(1, 200, 300);
	scripts[0].unwrap = -EAGAIN; /* the description is still given */
	wait_for(LEASE_GRACE);
	assert_true(scripts[0].describes > 1);
	wait_for(LEASE_LOST);
}

static void provider_that_hangs_extends_nothing(void **state)
{
	int64_t t;

	(void)state;
	start(1, 200, 200);
	t = now_ms();
	scripts[0].hang_ms = 3000;
	wait_for(LEASE_GRACE);
	wait_for(LEASE_LOST);
	assert_in_range(now_ms() - t, 0, 2000);
}

static void stop_does_not_wait_for_a_provider_that_hangs(void **state)
{
	int64_t t;
	unsigned int before, after;

	(void)state;
	start(1, 60000, 60000);
	scripts[0].hang_ms = 3000;
	scripts[0].unwrap = -EKEYREVOKED;
	change(0);
	for (int i = 0; i < PATIENCE_MS && scripts[0].unwraps < 2; i++)
		sleep_ms(1);
	assert_int_equal(scripts[0].unwraps, 2);
	t = now_ms();
	last(&before);
	lease_stop(lease);
	lease = NULL;
	assert_in_range(now_ms() - t, 0, 2500);
	sleep_ms(3500); /* it comes back, and nobody hears of it */
	last(&after);
	assert_int_equal(after, before);
}

static void pauses_grow_while_the_vault_is_away(void **state)
{
	int first, second;

	(void)state;
	start(1, 60000, 60000);
	scripts[0].describe = -EAGAIN;
	change(0);
	sleep_ms(1200);
	first = scripts[0].describes;
	sleep_ms(1200);
	second = scripts[0].describes - first;
	/* 1 + 1, then after 125…250, 250…500, 500…1000 ms, … */
	assert_in_range(first, 3, 6);
	assert_in_range(second, 0, 2);
}

/* ---- several slots ------------------------------------------------------------- */

static void any_slot_opens_the_zone(void **state)
{
	(void)state;
	scripts[0].unwrap = -EKEYREVOKED;
	scripts[1].describe = -EAGAIN;
	start(3, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_GRANTED);
	assert_string_equal(heard.last.kid, "fake://2");
	assert_int_equal(heard.vk[0], 0xa2);
	/* The one that opened it is asked first from then on. */
	scripts[0].describes = 0;
	lease_kick(lease);
	sleep_ms(50);
	assert_int_equal(scripts[0].describes, 0);
}

static void zone_locks_when_the_last_slot_is_denied(void **state)
{
	(void)state;
	start(2, 60000, 60000);
	scripts[0].unwrap = -EKEYREVOKED;
	change(0);
	sleep_ms(100);
	assert_int_equal(last(NULL).state, LEASE_GRANTED);
	scripts[1].unwrap = -EACCES;
	change(1);
	wait_for(LEASE_DENIED);
	scripts[0].unwrap = 0;
	change(0); /* any of the keys wakes it */
	wait_for(LEASE_GRANTED);
}

static void slot_that_cannot_be_asked_is_not_denied(void **state)
{
	(void)state;
	start(2, 300, 60000);
	scripts[0].unwrap = -EKEYREVOKED;
	scripts[1].unwrap = -EAGAIN;
	change(0);
	wait_for(LEASE_GRACE);
	assert_int_equal(last(NULL).error.code, -EAGAIN);
}

static void unknown_scheme_does_not_hide_a_denial(void **state)
{
	struct lease_slot two[2] = { { "https://x/keys/y", &blobs[0], 1 }, slots[1] };
	struct lease_options o = { .period_ms = 60000, .grace_ms = 60000 };

	(void)state;
	scripts[1].unwrap = -EKEYREVOKED;
	assert_int_equal(lease_start(&ctx, two, 2, &o, hear, &heard, &lease), 0);
	assert_int_equal(heard.last.state, LEASE_DENIED);
	assert_int_equal(heard.last.error.code, -EKEYREVOKED);
}

static void no_slot_is_a_denial(void **state)
{
	(void)state;
	start(0, 60000, 60000);
	assert_int_equal(heard.last.state, LEASE_DENIED);
	assert_int_equal(heard.last.app_errno, EKEYREVOKED);
}

static void replaced_slots_are_asked(void **state)
{
	(void)state;
	start(1, 60000, 60000);
	scripts[0].unwrap = -EKEYREVOKED;
	assert_int_equal(lease_replace(lease, &slots[1], 1), 0);
	assert_int_equal(lease_replace(lease, &slots[2], 1), 0);
	for (int i = 0; i < PATIENCE_MS && !scripts[2].unwraps; i++)
		sleep_ms(1);
	sleep_ms(20);
	assert_string_equal(last(NULL).kid, "fake://2");
	assert_int_equal(last(NULL).state, LEASE_GRANTED);
	/* And watched. */
	scripts[2].unwrap = -EKEYREVOKED;
	change(2);
	wait_for(LEASE_DENIED);
}

static void first_check_may_be_made_in_the_background(void **state)
{
	struct lease_options o = { .period_ms = 60000, .background = true };

	(void)state;
	scripts[0].hang_ms = 50;
	assert_int_equal(lease_start(&ctx, slots, 1, &o, hear, &heard, &lease), 0);
	wait_for(LEASE_GRANTED);
}

static void who_asks_is_given_the_key_again(void **state)
{
	(void)state;
	start(1, 60000, 60000);
	assert_int_equal(heard_calls(), 1);
	lease_kick(lease);
	sleep_ms(50);
	assert_int_equal(heard_calls(), 1); /* nothing has changed */
	lease_ask(lease);
	sleep_ms(50);
	assert_int_equal(heard_calls(), 2);
	assert_int_equal(last(NULL).state, LEASE_GRANTED);
}

static void expiry_is_told_when_it_comes_near(void **state)
{
	(void)state;
	scripts[0].expires = time(NULL) + 40 * 86400;
	start(1, 60000, 60000);
	assert_int_equal(last(NULL).expiry_near, 0);
	scripts[0].expires = time(NULL) + 20 * 86400;
	lease_kick(lease);
	sleep_ms(50);
	assert_int_equal(last(NULL).expiry_near, 1);
	scripts[0].expires = time(NULL) + 2 * 86400;
	lease_kick(lease);
	sleep_ms(50);
	assert_int_equal(last(NULL).expiry_near, 2);
	assert_int_equal(heard_calls(), 3);
	/* Once is enough. */
	lease_kick(lease);
	sleep_ms(50);
	assert_int_equal(heard_calls(), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(grant_comes_with_the_key_before_start_returns),
		TEST(key_is_wiped_after_it_was_told),
		TEST(denial_at_start_is_told_not_returned),
		TEST(never_reached_is_lost_without_a_grace),
		TEST(every_denial_has_its_errno),
		TEST(change_is_noticed_at_once_both_ways),
		TEST(denial_and_grant_500_times),
		TEST(nothing_is_told_without_a_change),
		TEST(period_asks_without_any_event),
		TEST(wrong_key_of_a_zone_is_a_denial),
		TEST(other_key_does_not_renew_a_lease),
		TEST(unacceptable_key_is_denied_though_it_unwraps),
		TEST(rotation_is_told_once_with_the_key),
		TEST(expiry_locks_when_it_comes),
		TEST(not_before_unlocks_when_it_comes),
		TEST(unreachable_is_grace_then_lost),
		TEST(grace_ends_in_a_grant_or_a_denial),
		TEST(denial_stays_when_the_vault_goes_away),
		TEST(strict_has_no_grace),
		TEST(only_an_unwrap_extends_the_lease),
		TEST(provider_that_hangs_extends_nothing),
		TEST(stop_does_not_wait_for_a_provider_that_hangs),
		TEST(pauses_grow_while_the_vault_is_away),
		TEST(any_slot_opens_the_zone),
		TEST(zone_locks_when_the_last_slot_is_denied),
		TEST(slot_that_cannot_be_asked_is_not_denied),
		TEST(unknown_scheme_does_not_hide_a_denial),
		TEST(no_slot_is_a_denial),
		TEST(replaced_slots_are_asked),
		TEST(first_check_may_be_made_in_the_background),
		TEST(who_asks_is_given_the_key_again),
		TEST(expiry_is_told_when_it_comes_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
