/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of the backing store while names are made, moved and removed: one
 * history is run again and again, and each time another of its backing calls
 * that change something fails.  An operation that failed has happened or has not; every name that is
 * there opens and holds what it held; a remount sees the same.
 */
#include "namespace_fixture.h"

#include <stdio.h>

#define N200 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
	     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const char *const names[] = { "a", "b", N200, "l", "d", "d/x", "d/" N200, "e", "e/x", "e/" N200 };

struct state {
	char what[ARRAY_SIZE(names)][16]; /* text of a file, "DIR", ">target"; empty: not there */
};

struct run {
	struct fixture *f;
	struct backing_hooks hooks;
	struct state now;
	unsigned int calls, at, step;
	bool over;
};

enum kind { MAKE, MKDIR, SYMLINK, LINK, RENAME, EXCHANGE, UNLINK, RMDIR, SYNC };

static const struct op {
	enum kind kind;
	const char *a, *b;
} ops[] = {
	{ MAKE, "a", "one" },	     { MAKE, N200, "two" },	  { MKDIR, "d", NULL },
	{ MAKE, "d/x", "three" },    { SYNC, "a", NULL },	  { SYNC, "d/x", NULL },
	{ LINK, "a", "b" },	     { RENAME, "a", "d/" N200 },  { RENAME, N200, "a" },
	{ SYMLINK, "l", "target" },  { RENAME, "l", N200 },	  { EXCHANGE, "a", "d/x" },
	{ RENAME, "d", "e" },	     { SYNC, "e/x", NULL },	  { RENAME, "b", "e/x" },
	{ MKDIR, "d", NULL },	     { RENAME, "e", "d" },	  { LINK, "d/x", "l" },
	{ UNLINK, "d/x", NULL },     { UNLINK, N200, NULL },	  { RENAME, "d/" N200, N200 },
	{ UNLINK, N200, NULL },	     { RMDIR, "d", NULL },	  { EXCHANGE, "a", "l" },
};

static int on_call(void *arg, const struct backing_call *c)
{
	struct run *r = arg;

	return r->over || c->op == BACKING_READ || ++r->calls != r->at ? 0 : -EIO;
}

__attribute__((format(printf, 2, 3), noreturn)) static void give_up(struct run *r, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	backing_hooks = NULL;
	fail_msg("call %u fails, operation %u: %s", r->at, r->step, why);
	abort();
}

/* ---- what is there ------------------------------------------------------------------------ */

static void look(struct run *r, unsigned int i, char ret[static 16])
{
	struct object *o = at(r->f, names[i]);
	char text[SYMLINK_LIMIT + 1];
	int e = 0;

	ret[0] = '\0';
	if (!o)
		return;
	if (S_ISDIR(object_type(o))) {
		e = object_check(o);
		strcpy(text, "DIR");
	} else if (S_ISLNK(object_type(o))) {
		text[0] = '>';
		e = (int)MIN(object_readlink(o, text + 1, sizeof(text) - 1), 0);
	} else {
		e = read_text(o, text);
	}
	if (e)
		give_up(r, "%.10s: %s", names[i], strerror(-e));
	snprintf(ret, 16, "%.15s", text);
	object_put(o);
}

/* Each name as in now or as in BEFORE. */
static void check(struct run *r, const struct state *before)
{
	bool over = r->over;
	char got[16];

	r->over = true;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		look(r, i, got);
		if (strcmp(got, r->now.what[i]) && strcmp(got, before->what[i]))
			give_up(r, "%.10s is \"%s\", not \"%s\"", names[i], got, r->now.what[i]);
		memset(r->now.what[i], 0, sizeof(r->now.what[i]));
		strcpy(r->now.what[i], got);
	}
	r->over = over;
}

/* ---- the model ------------------------------------------------------------------------------ */

static char *of(struct state *s, const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return s->what[i];
	abort();
}

/* Children go along: a directory's are "/x" and the long one. */
static void move(struct state *s, const char *from, const char *to)
{
	static const char *const below[] = { "/x", "/" N200 };
	char a[256], b[256];

	strcpy(of(s, to), of(s, from));
	*of(s, from) = '\0';
	if (strcmp(of(s, to), "DIR"))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(a, sizeof(a), "%s%s", from, below[i]);
		snprintf(b, sizeof(b), "%s%s", to, below[i]);
		strcpy(of(s, b), of(s, a));
		*of(s, a) = '\0';
	}
}

static void apply_op(struct state *s, const struct op *op)
{
	char tmp[16];

	switch (op->kind) {
	case MAKE:
		strcpy(of(s, op->a), op->b);
		break;
	case MKDIR:
		strcpy(of(s, op->a), "DIR");
		break;
	case SYMLINK:
		snprintf(of(s, op->a), 16, ">%.14s", op->b);
		break;
	case LINK:
		strcpy(of(s, op->b), of(s, op->a));
		break;
	case RENAME:
		move(s, op->a, op->b);
		break;
	case EXCHANGE:
		strcpy(tmp, of(s, op->a));
		strcpy(of(s, op->a), of(s, op->b));
		strcpy(of(s, op->b), tmp);
		break;
	case UNLINK:
	case RMDIR:
		*of(s, op->a) = '\0';
		break;
	case SYNC:
		break;
	}
}

static void apply(struct state *s, const struct op *op)
{
	struct state tidy = { 0 };

	apply_op(s, op);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		strcpy(tidy.what[i], s->what[i]);
	*s = tidy; /* nothing after the NULs: states are compared as bytes */
}

static int make(struct run *r, const struct op *op)
{
	struct object *o;
	int e = try_mkfile(r->f, op->a, &o);

	if (!e) {
		e = write_text(o, op->b);
		object_put(o);
	}
	return e;
}

static int sync_it(struct run *r, const struct op *op)
{
	struct object *o = at(r->f, op->a);
	int e = object_fsync(o, false);

	object_put(o);
	return e;
}

static int run_op(struct run *r, const struct op *op)
{
	switch (op->kind) {
	case MAKE:
		return make(r, op);
	case MKDIR:
		return try_mkdir(r->f, op->a);
	case SYMLINK:
		return try_symlink(r->f, op->b, op->a);
	case LINK:
		return try_link(r->f, op->a, op->b);
	case RENAME:
		return try_rename(r->f, op->a, op->b, 0);
	case EXCHANGE:
		return try_rename(r->f, op->a, op->b, RENAME_EXCHANGE);
	case UNLINK:
		return try_unlink(r->f, op->a);
	case RMDIR:
		return try_rmdir(r->f, op->a);
	case SYNC:
		return sync_it(r, op);
	}
	return 0;
}

/* ---- the history ------------------------------------------------------------------------------ */

static void step(struct run *r, const struct op *op)
{
	struct state before = r->now;
	bool done;
	int e;

	if (getenv("CMKFS_EVENTS"))
		print_message("run %u, operation %u, %u calls\n", r->at, r->step, r->calls);
	apply(&r->now, op);
	e = run_op(r, op);
	if (e && e != -EIO)
		give_up(r, "%s", strerror(-e));
	check(r, e ? &before : &r->now);
	if (!e)
		return;
	done = memcmp(&r->now, &before, sizeof(before));
	e = done ? 0 : run_op(r, op); /* again, without a fault */
	if (e && op->kind != SYNC) /* which may tell of it once more */
		give_up(r, "again: %s", strerror(-e));
	r->now = before;
	apply(&r->now, op);
	check(r, &r->now);
}

static bool run_once(struct fixture *f, unsigned int at_call)
{
	struct run r = { .f = f, .at = at_call };

	r.hooks = (struct backing_hooks){ .before = on_call, .arg = &r };
	f->st->resident_max = 0;
	backing_hooks = &r.hooks;
	for (; r.step < ARRAY_SIZE(ops); r.step++) {
		step(&r, &ops[r.step]);
		store_trim(f->st);
	}
	r.over = true;
	remount(f);
	check(&r, &r.now);
	for (unsigned int i = ARRAY_SIZE(names); i--;)
		if (r.now.what[i][0])
			assert_int_equal(strcmp(r.now.what[i], "DIR") ? try_unlink(f, names[i]) :
									try_rmdir(f, names[i]), 0);
	backing_hooks = NULL;
	if (f->events[EVENT_INTEGRITY] || f->events[EVENT_NAME])
		give_up(&r, "integrity reported");
	return r.calls >= r.at;
}

static void a_name_is_old_or_new_after_a_fault(void **state)
{
	unsigned int n = 1;

	while (run_once(*state, n))
		n++;
	print_message("%u runs\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_name_is_old_or_new_after_a_fault, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
