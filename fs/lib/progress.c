/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars and JSON lines of long runs.
 */
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "fs/lib/clock.h"

#define BAR_MS 200
#define JSON_MS 1000
#define BAR_MIN 10
#define BAR_MAX 40
#define TEXT_WIDTH 58 /* what stands beside the bar */

int progress_parse(const char *word, enum progress_mode *ret)
{
	if (!word)
		*ret = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_NONE;
	else if (!strcmp(word, "bar"))
		*ret = PROGRESS_BAR;
	else if (!strcmp(word, "json"))
		*ret = PROGRESS_JSON;
	else if (!strcmp(word, "none"))
		*ret = PROGRESS_NONE;
	else
		return -EINVAL;
	return 0;
}

void progress_bytes(uint64_t n, char ret[static 24])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double x = (double)n;
	unsigned int u = 0;

	while (x >= 1024 && u + 1 < ARRAY_SIZE(units)) {
		x /= 1024;
		u++;
	}
	snprintf(ret, 24, u ? "%.1f %s" : "%.0f %s", x, units[u]);
}

void progress_begin(struct progress *p, enum progress_mode mode, const char *what, uint64_t total,
		    uint64_t first)
{
	*p = (struct progress){ .mode = mode, .what = what, .total = total, .first = first,
				.begin = clock_ms() };
}

/* Bytes a second since the beginning of this run. */
static uint64_t rate(const struct progress *p, uint64_t done, uint64_t now)
{
	return (done - MIN(done, p->first)) * 1000 / MAX(now - p->begin, UINT64_C(1));
}

/* Seconds that are left, or -1. */
static long left(const struct progress *p, uint64_t done, uint64_t r)
{
	return r && p->total ? (long)((p->total - MIN(p->total, done)) / r) : -1;
}

static int bar_width(void)
{
	struct winsize w = { 0 };
	int cols = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;

	return MAX(BAR_MIN, MIN(BAR_MAX, cols - TEXT_WIDTH));
}

static void draw_bar(struct progress *p, uint64_t done, uint64_t objects, uint64_t r)
{
	int width = bar_width(), full, percent;
	char size[24], speed[24];
	double part = p->total ? MIN(1.0, (double)done / (double)p->total) : 0;
	long s = left(p, done, r);

	full = (int)(part * width);
	percent = (int)(part * 100);
	progress_bytes(done, size);
	progress_bytes(r, speed);
	fprintf(stderr, "\r\033[K%s [", p->what);
	for (int i = 0; i < width; i++)
		fputc(i < full ? '#' : ' ', stderr);
	fprintf(stderr, "] %3d%% %s, %ju objects, %s/s", percent, size, (uintmax_t)objects, speed);
	if (s >= 0)
		fprintf(stderr, ", %ld:%02ld left", s / 60, s % 60);
	fflush(stderr);
	p->drawn = true;
}

static void print_json(const struct progress *p, uint64_t done, uint64_t objects, uint64_t r)
{
	long s = left(p, done, r);

	fprintf(stderr, "{\"what\": \"%s\", \"bytes\": %ju, \"total\": %ju, \"objects\": %ju, "
		"\"rate\": %ju, \"seconds_left\": ", p->what, (uintmax_t)done,
		(uintmax_t)MAX(p->total, done), (uintmax_t)objects, (uintmax_t)r);
	if (s >= 0)
		fprintf(stderr, "%ld}\n", s);
	else
		fprintf(stderr, "null}\n");
}

static void show(struct progress *p, uint64_t done, uint64_t objects, uint64_t now)
{
	uint64_t r = rate(p, done, now);

	p->shown = now;
	if (p->mode == PROGRESS_BAR)
		draw_bar(p, done, objects, r);
	else if (p->mode == PROGRESS_JSON)
		print_json(p, done, objects, r);
}

void progress_show(struct progress *p, uint64_t done, uint64_t objects)
{
	uint64_t now = clock_ms();

	if (p->mode && now - p->shown >= (p->mode == PROGRESS_BAR ? BAR_MS : JSON_MS))
		show(p, done, objects, now);
}

void progress_clear(struct progress *p)
{
	if (!p->drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->drawn = false;
}

void progress_end(struct progress *p, uint64_t done, uint64_t objects)
{
	if (p->mode == PROGRESS_JSON)
		show(p, done, objects, clock_ms());
	progress_clear(p);
}
