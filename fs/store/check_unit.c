/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does: one group of a GCM file, or one stretch of an XTS file.
 * Beside a writer, what fails is read again by the header as it is then, and
 * counts only if it stays as it was: between the reading of a slot and of the
 * bytes that it names a writer may have changed both, at each look anew.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/secret.h"
#include "fs/store/check_internal.h"

#define STRETCH (UINT64_C(4) << 20)
#define DATA_CAP ((size_t)GROUP_CHUNKS * CHUNK)

struct check_scratch *check_scratch_new(bool contents)
{
	struct check_scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->p = secret_alloc(CHUNK);
	s->gk[0] = secret_alloc(GK_LEN);
	s->gk[1] = secret_alloc(GK_LEN);
	s->v = check_view_new();
	if (contents)
		s->data = malloc(DATA_CAP);
	if (s->p && s->gk[0] && s->gk[1] && s->v && (s->data || !contents))
		return s;
	check_scratch_free(s);
	return NULL;
}

void check_scratch_free(struct check_scratch *s)
{
	if (!s)
		return;
	secret_free(s->p);
	secret_free(s->gk[0]);
	secret_free(s->gk[1]);
	check_view_free(s->v);
	free(s->data);
	free(s);
}

void check_file_put(struct check_file *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	object_unpin(f->o);
	object_put(f->o);
	check_path_done(&f->path);
	check_view_free(f->v);
	free(f);
}

/* Holes are not read. */
static uint64_t next_stretch(const struct check_file *f, uint64_t unit)
{
	uint64_t size = check_header(f->v)->size;
	int64_t data;

	if (unit >= FILE_LIMIT / STRETCH || unit * STRETCH >= size)
		return UINT64_MAX;
	data = backing_seek(f->o->fd, DATA_START + unit * STRETCH, SEEK_DATA);
	if (data == -ENXIO)
		return UINT64_MAX;
	if (data > (int64_t)(DATA_START + unit * STRETCH))
		unit = ((uint64_t)data - DATA_START) / STRETCH;
	return unit * STRETCH < size ? unit : UINT64_MAX;
}

uint64_t check_next_unit(const struct check_file *f, uint64_t unit)
{
	const struct header *h = check_header(f->v);
	uint32_t g;

	if (h->type != OBJECT_FILE)
		return UINT64_MAX;
	if (h->suite == SUITE_XTS)
		return f->c->opt->contents ? next_stretch(f, unit) : UINT64_MAX;
	if (unit >= UINT32_MAX)
		return UINT64_MAX;
	if (!unit)
		return 0;
	g = group_next_present(h, (uint32_t)unit);
	return g == UINT32_MAX ? UINT64_MAX : g;
}

/* ---- XTS: nothing authenticates it; that it can be read is all ------------------- */

static void check_stretch(struct check_file *f, uint64_t unit, struct check_scratch *s)
{
	uint64_t off = unit * STRETCH, end = MIN(off + STRETCH, check_header(f->v)->size);

	while (off < end) {
		ssize_t got = backing_read(f->o->fd, s->data, (size_t)MIN(end - off, DATA_CAP),
					   DATA_START + off);

		if (got < 0) {
			check_unreadable(f->c, &f->path, (struct check_range){ off, end - off },
					 (int)got);
			return;
		}
		if (!got)
			break;
		off += (uint64_t)got;
		f->c->bytes += (uint64_t)got;
	}
}

/* ---- GCM --------------------------------------------------------------------------- */

static bool is_good(const struct check_verdict *d)
{
	return !d->error && !d->why && !d->spare && !d->bad[0] && !d->bad[1];
}

/* Bad chunks that lie together are one finding. */
static void report_chunks(struct check_file *f, uint32_t g, const struct check_verdict *d)
{
	uint64_t size = check_header(f->v)->size;

	for (uint32_t i = 0; i < group_chunks(g); i++) {
		uint32_t from = i;
		uint64_t off = (group_first(g) + i) * CHUNK, end;

		while (i < group_chunks(g) && bit_get(d->bad, i))
			i++;
		if (i == from)
			continue;
		end = (group_first(g) + i) * CHUNK;
		check_report(f->c, CHECK_CHUNK, &f->path,
			     (struct check_range){ off, MAX(MIN(end, size), off + 1) - off },
			     f->c->opt->contents ? "does not authenticate" : "cut off");
	}
}

static void report(struct check_file *f, uint32_t g, const struct check_verdict *d)
{
	uint64_t first = group_first(g) * CHUNK, n = (uint64_t)group_chunks(g) * CHUNK;
	uint64_t size = check_header(f->v)->size;
	struct check_range all = { first, MAX(MIN(first + n, size), first + 1) - first };

	f->c->bytes += d->bytes;
	if (d->error)
		check_unreadable(f->c, &f->path, all, d->error);
	else if (d->why)
		check_report(f->c, CHECK_GROUP, &f->path, all, d->why);
	if (d->spare)
		check_report(f->c, CHECK_SPARE_SLOT, &f->path, all, "group slot");
	report_chunks(f, g, d);
}

static void remember(struct check_scratch *s, const struct check_verdict *d)
{
	s->before.d = *d;
	memcpy(s->before.slots, s->slots, sizeof(s->slots));
	memcpy(s->before.e, s->e[0], sizeof(s->e[0]));
}

/* Of what D found, what the look before found too, in the same slots and entries. */
static void keep_what_stayed(const struct check_scratch *s, struct check_verdict *d)
{
	const struct check_verdict *was = &s->before.d;
	bool same = !memcmp(s->before.slots, s->slots, sizeof(s->slots));

	if (!was->why || !same)
		d->why = NULL;
	d->spare = d->spare && was->spare && same;
	for (uint32_t i = 0; i < GROUP_CHUNKS; i++)
		if (!bit_get(was->bad, i) || memcmp(&s->before.e[i], &s->e[0][i], sizeof(s->e[0][i])))
			bit_clear(d->bad, i);
}

void check_unit(struct check_file *f, uint64_t unit, struct check_scratch *s)
{
	uint32_t g = (uint32_t)unit;
	struct check_verdict d;
	bool again = false;

	if (check_header(f->v)->suite == SUITE_XTS) {
		check_stretch(f, unit, s);
		return;
	}
	check_group(f, f->v, g, s, &d);
	for (unsigned int n = 1; n < CHECK_TRIES && !is_good(&d) && check_live(f->c); n++) {
		usleep(20000u << n);
		if (check_view_read(f->o, s->v))
			continue;
		if (g && !group_present(check_header(s->v), g))
			return; /* it was cut off or punched meanwhile */
		remember(s, &d);
		again = true;
		check_group(f, s->v, g, s, &d);
	}
	if (again)
		keep_what_stayed(s, &d);
	report(f, g, &d);
}
