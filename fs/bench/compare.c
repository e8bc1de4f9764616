/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loads, in turn on both sides, and the medians.
 */
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "place.h"

enum amount { NOTHING, SIZE, SECONDS, WRITES, FILES };

/* In this order: some read what others wrote, and the last ones remove it. */
static const struct step {
	const char *label, *load, *path;
	enum amount amount;
	unsigned int threads;
	bool cold, slower_is_more; /* the figure is a time */
} steps[] = {
	{ "write", "write", "big", SIZE, 1, true, false },
	{ "read, cold", "read", "big", NOTHING, 1, true, false },
	{ "random 4 KiB, cold", "pread", "big.0", SECONDS, 1, true, false },
	{ "the same, 4 threads", "pread", "big.0", SECONDS, 4, true, false },
	{ "mapped 4 KiB, cold", "mmap", "big.0", SECONDS, 1, true, false },
	{ "overwrite 4 KiB, fsync", "overwrite", "big.0", WRITES, 1, true, false },
	{ "make small files", "make", "files", FILES, 1, true, true },
	{ "list, cold", "list", "files", NOTHING, 1, true, true },
	{ "epoch, cold", "epoch", "files", NOTHING, 4, true, true },
	{ "epoch, warm", "epoch", "files", NOTHING, 4, false, true },
	{ "remove small files", "remove", "files", NOTHING, 1, true, true },
};

#define STEPS ARRAY_SIZE(steps)
#define WRITES_PER_MIB 16 /* one block in sixteen */
#define SMALL_MIB 64	  /* files of small size to a MiB, with room for their headers */

struct figures {
	double of[2][STEPS][COMPARE_RUNS_MAX]; /* plain, encrypted */
};

static int by_value(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double amount_of(const struct step *s, const struct compare_options *o)
{
	switch (s->amount) {
	case SIZE:
		return o->size_mib;
	case SECONDS:
		return o->seconds;
	case WRITES:
		return (double)o->size_mib * WRITES_PER_MIB;
	case FILES:
		return o->files;
	case NOTHING:
		break;
	}
	return 0;
}

static int run_step(struct place *p, const struct compare_options *o, const struct step *s,
		    unsigned int run, bool encrypted, double *ret)
{
	char path[PATH_MAX];
	struct load_args a = { .path = path, .threads = s->threads, .seed = run + !s->cold,
			       .amount = amount_of(s, o) };
	int r;

	place_path(p, encrypted, s->path, path);
	r = load_named(s->load)->run(&a, ret);
	if (r && r != -EINTR)
		snprintf(p->why, sizeof(p->why), "%s (%s): %s", s->label,
			 encrypted ? "encrypted" : "plain", strerror(-r));
	return r;
}

static int run_all(struct place *p, const struct compare_options *o, compare_note_fn *note,
		   void *arg, struct figures *f)
{
	for (unsigned int run = 0; run < o->runs; run++)
		for (size_t i = 0; i < STEPS; i++) {
			note(arg, steps[i].label, run);
			for (unsigned int k = 0; k < 2; k++) {
				bool encrypted = (k + run) % 2;
				int r = steps[i].cold ? place_cold(p) : 0;

				if (!r)
					r = run_step(p, o, &steps[i], run, encrypted,
						     &f->of[encrypted][i][run]);
				if (r)
					return r;
			}
		}
	return 0;
}

static int have_room(const struct compare_options *o, char ret_why[static 256])
{
	uint64_t want = 2 * ((uint64_t)o->size_mib + o->files / (SMALL_MIB / 2) + 16) << 20;
	struct statvfs st;

	if (statvfs(o->dir, &st)) {
		snprintf(ret_why, 256, "%.180s: %s", o->dir, strerror(errno));
		return -EIO;
	}
	if ((uint64_t)st.f_bavail * st.f_frsize >= want)
		return 0;
	snprintf(ret_why, 256, "%.180s has no room for %ju MiB", o->dir, (uintmax_t)(want >> 20));
	return -ENOSPC;
}

static struct compare_row *rows_of(struct figures *f, unsigned int runs)
{
	struct compare_row *rows = calloc(STEPS, sizeof(*rows));

	for (size_t i = 0; rows && i < STEPS; i++) {
		struct compare_row *w = &rows[i];

		w->load = steps[i].label;
		w->unit = load_named(steps[i].load)->unit;
		w->plain = median(f->of[0][i], runs);
		w->encrypted = median(f->of[1][i], runs);
		w->ratio = steps[i].slower_is_more ? w->plain / w->encrypted :
						     w->encrypted / w->plain;
	}
	return rows;
}

int compare(const struct compare_options *o, compare_note_fn *note, void *arg,
	    struct compare_row **ret, size_t *ret_n, char ret_why[static 256])
{
	struct figures *f = calloc(1, sizeof(*f));
	int r = f ? have_room(o, ret_why) : -ENOMEM;
	struct place p = { .top = "" };

	if (r)
		goto out;
	r = place_make(&p, o->dir, o->cipher, o->mount_options);
	if (!r)
		r = run_all(&p, o, note, arg, f);
	snprintf(ret_why, 256, "%s", p.why);
	place_remove(&p);
	if (r)
		goto out;
	*ret = rows_of(f, o->runs);
	*ret_n = STEPS;
	r = *ret ? 0 : -ENOMEM;
out:
	free(f);
	return r;
}
