/* SPDX-License-Identifier: Apache-2.0 */
#include "uses.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/ways.h"
#include "fs/lib/state.h"
#include "fs/store/backing.h"
#include "fs/store/store.h"

#define FILE_NAME (2 * ID_LEN + 6) /* HEX.json */
#define FILE_MAX (4u << 20)

/* ---- what the keyrings say -------------------------------------------------------- */

static json_t *kids_of(const struct way *w)
{
	json_t *kids = json_array();

	for (unsigned int i = 0; i < w->n; i++)
		json_array_append_new(kids, json_string(w->slot[i]->kid));
	return kids;
}

static void add_generations(json_t *list, const char *zone, const struct keyring *ring)
{
	struct way ways[KEYRING_SLOTS];

	for (unsigned int i = 0; i < ring->ngens; i++) {
		const struct generation *gen = &ring->gens[i];
		unsigned int n = gen->state == GEN_DESTROYED ? 0 : generation_ways(gen, ways);
		json_t *all = n ? json_array() : NULL;

		for (unsigned int w = 0; w < n; w++)
			json_array_append_new(all, kids_of(&ways[w]));
		if (n)
			json_array_append_new(list, json_pack("{ss si so}", "zone", zone,
							      "generation", (int)gen->g, "ways", all));
	}
}

static void add_zone(json_t *list, const char *dir, const struct zone_id *z)
{
	char name[2 * ID_LEN + 1];
	struct keyring *ring = NULL;

	state_hex(z->zone, ID_LEN, name);
	if (!volume_peek_zone(dir, z, &ring, NULL))
		add_generations(list, name, ring);
	keyring_free(ring);
}

/* The document of the volume in DIR; NULL: there is none, or it cannot be read. */
static json_t *read_volume(const char *dir)
{
	char vol[2 * ID_LEN + 1];
	_cleanup_free_ struct zone_id *zones = NULL;
	struct keyring *ring = NULL;
	struct volume_block v;
	unsigned int n = 0;
	json_t *list;

	if (volume_peek(dir, &v, &ring, NULL) || volume_zones(dir, &zones, &n, NULL)) {
		keyring_free(ring);
		return NULL;
	}
	state_hex(v.root.vol, ID_LEN, vol);
	list = json_array();
	add_generations(list, "0", ring);
	keyring_free(ring);
	for (unsigned int i = 0; i < n; i++)
		add_zone(list, dir, &zones[i]);
	return json_pack("{ss ss so}", "dir", dir, "volume", vol, "generations", list);
}

/* ---- what is noted ------------------------------------------------------------------ */

static const char *volume_of(const json_t *doc)
{
	return json_string_value(json_object_get(doc, "volume")) ?: "";
}

static int open_dir(const char *state_dir, bool make)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/uses", state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static json_t *read_file(int fd, const char *name)
{
	_cleanup_free_ uint8_t *p = NULL;
	size_t n;

	return backing_read_file(fd, name, FILE_MAX, &p, &n) ? NULL :
							       json_loadb((char *)p, n, 0, NULL);
}

static void write_file(int fd, const char *name, const json_t *doc)
{
	_cleanup_free_ char *text = json_dumps(doc, JSON_INDENT(2));

	if (text)
		backing_replace(fd, name, text, strlen(text), 0600);
}

void uses_note(const char *state_dir, const char *dir)
{
	_cleanup_free_ char *path = realpath(dir, NULL);
	_cleanup_close_ int fd = path ? open_dir(state_dir, true) : -1;
	json_t *now = fd < 0 ? NULL : read_volume(path), *was;
	char name[FILE_NAME];

	if (!now)
		return;
	snprintf(name, sizeof(name), "%s.json", volume_of(now));
	was = read_file(fd, name);
	if (!was || !json_equal(was, now))
		write_file(fd, name, now);
	json_decref(was);
	json_decref(now);
}

void uses_forget(const char *state_dir, const uint8_t vol[static ID_LEN])
{
	_cleanup_close_ int fd = open_dir(state_dir, false);
	char name[FILE_NAME];

	state_hex(vol, ID_LEN, name);
	strcat(name, ".json");
	if (fd >= 0)
		unlinkat(fd, name, 0);
}

/* ---- all of them ----------------------------------------------------------------------- */

struct each {
	uses_fn *fn;
	void *arg;
	int fd;
};

static int tell(const struct each *e, const json_t *doc)
{
	struct use u = { .dir = json_string_value(json_object_get(doc, "dir")),
			 .volume = volume_of(doc) };
	const json_t *gen;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(doc, "generations"), i, gen) {
		u.zone = json_string_value(json_object_get(gen, "zone"));
		u.ways = json_object_get(gen, "ways");
		if (!r && u.dir && u.zone)
			r = e->fn(e->arg, &u);
	}
	return r;
}

/* A volume whose directory is another's by now, or away, is as it was noted. */
static int tell_file(void *arg, const struct dirent64 *d)
{
	const struct each *e = arg;
	json_t *noted, *now = NULL;
	const char *dir;
	int r;

	if (strlen(d->d_name) != FILE_NAME - 1)
		return 0;
	noted = read_file(e->fd, d->d_name);
	dir = json_string_value(json_object_get(noted, "dir"));
	if (dir)
		now = read_volume(dir);
	r = tell(e, now && !strcmp(volume_of(now), volume_of(noted)) ? now : noted);
	json_decref(now);
	json_decref(noted);
	return r;
}

int uses_each(const char *state_dir, uses_fn *fn, void *arg)
{
	_cleanup_close_ int fd = open_dir(state_dir, false);
	struct each e = { fn, arg, fd };

	return fd == -ENOENT ? 0 : fd < 0 ? fd : backing_each(fd, tell_file, &e);
}
