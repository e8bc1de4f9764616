/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a volume.  cmkfs.volume comes last: with it the volume is whole, and
 * without it there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/volume.h"

#define DIR_MODE 0755

struct making {
	const struct init_options *opt;
	struct store_error *err;
	const char *dir;
	int fd;
	bool made_dir, made_any; /* what there is to remove */
	struct volume_block vol;
	struct zone_vk vk; /* secret; so is the whole struct */
	struct root_keys rk;
};

/* ---- the place -------------------------------------------------------------- */

static bool may_be_there(void *arg, const char *name)
{
	(void)arg;
	return !strcmp(name, "lost+found");
}

static int open_place(struct making *m)
{
	struct stat sb;
	int r;

	m->made_dir = !mkdir(m->dir, DIR_MODE);
	if (!m->made_dir && errno != EEXIST)
		return store_fail(m->err, -errno, NULL, "cannot make %s: %s", m->dir,
				  strerror(errno));
	r = volume_open_dir(m->dir, &m->fd, m->err);
	if (r < 0)
		return r;
	if (!backing_stat(m->fd, VOLUME_FILE, &sb))
		return store_fail(m->err, -EEXIST, "give another directory",
				  "%s is a volume already", m->dir);
	r = backing_dir_empty(m->fd, may_be_there, NULL);
	if (r == -ENOTEMPTY)
		return store_fail(m->err, r, "give an empty directory, or one to be made",
				  "%s is not empty", m->dir);
	return r;
}

/* Stored names differ by case: a store that does not tell is of no use. */
static int check_case(struct making *m)
{
	struct stat sb;

	if (backing_stat(m->fd, "TREE", &sb))
		return 0;
	return store_fail(m->err, -EOPNOTSUPP, "give a directory on another filesystem",
			  "the filesystem of %s does not tell upper from lower case", m->dir);
}

/* ---- keys ------------------------------------------------------------------- */

static int draw(struct making *m)
{
	struct volume_block *v = &m->vol;
	int r = rand_bytes(v->root.vol, ID_LEN);

	if (r == 0)
		r = rand_bytes(v->root.zone, ID_LEN);
	if (r == 0)
		r = rand_secret(m->vk.vk, KEY_LEN);
	m->vk.g = 1;
	if (r == 0)
		r = rand_secret(m->rk.zik, KEY_LEN);
	if (r == 0)
		r = root_keys_derive(&v->root, &m->rk);
	v->version = FORMAT_DRAFT;
	v->suite = (uint16_t)m->opt->suite;
	v->name_mode = (uint8_t)m->opt->names;
	v->name_padding = m->opt->padding;
	v->binding = m->opt->binding;
	v->crash = m->opt->crash;
	v->created = (uint64_t)time(NULL);
	v->seq = 1;
	return r;
}

static void slot_done(struct keyslot *s)
{
	free(s->kid);
	free(s->params);
	free(s->blob);
}

static int fill_keyring(struct making *m, struct keyring *k, init_slot_fn *add_slot, void *arg)
{
	struct keyslot slot = { 0 };
	int r = keyring_new_generation(k, k->gens, 1, m->vk.vk, m->rk.zik, m->vol.created);

	if (r == 0)
		r = keyring_fingerprint(k, m->rk.zik, m->vol.fingerprint);
	if (r == 0)
		r = add_slot(arg, m->vk.vk, &k->zone, &slot);
	if (r == 0)
		r = generation_add_slot(k->gens, &slot, NULL);
	slot_done(&slot);
	return r;
}

/* The bytes of the first keyring.  Nothing is on disk yet: ADD_SLOT may fail for many reasons. */
static int make_keyring(struct making *m, init_slot_fn *add_slot, void *arg, uint8_t **ret,
			size_t *ret_n)
{
	struct keyring *k = calloc(1, sizeof(*k));
	int r = -ENOMEM;

	if (!k)
		return r;
	k->zone = m->vol.root;
	k->seq = k->active = 1;
	k->written = m->vol.created;
	k->gens = calloc(1, sizeof(*k->gens));
	if (k->gens) {
		k->ngens = 1;
		r = fill_keyring(m, k, add_slot, arg);
	}
	if (r == 0)
		r = keyring_serialise(k, m->rk.km, ret, ret_n);
	keyring_free(k);
	return r;
}

/* ---- the tree --------------------------------------------------------------- */

/* tree/ has the empty name in a directory whose ID is zero. */
static int write_root_header(struct store *st, int fd)
{
	static const uint8_t no_dir[ID_LEN];
	struct object o = { .st = st, .zone = st->zone, .type = S_IFDIR, .fd = -1 };
	uint8_t tag[TAG_LEN];
	struct loaded *l;
	int r = binding_tag(st->zone->keys->bk, no_dir, "", 0, tag);

	if (r == 0)
		r = loaded_new(st->zone, OBJECT_DIR, store_suite(st), tag, &l);
	if (r < 0)
		return r;
	l->o = &o;
	r = loaded_write_header(l, fd);
	loaded_free(l);
	return r ? r : backing_sync(fd);
}

/* A store of the volume that is being made, in its first session, for the writing of a header. */
static int root_header(struct making *m, int fd)
{
	struct store *st = store_new();
	int r = -ENOMEM;

	if (!st)
		return r;
	st->vol = m->vol;
	session_first(st);
	st->zone = zone_new(st, &m->vol.root, NULL, m->vol.fingerprint);
	if (st->zone)
		r = zone_keys_set(st->zone, &m->rk, &m->vk, 1, 1, false);
	if (r == 0)
		r = write_root_header(st, fd);
	store_close(st);
	return r;
}

static int make_tree(struct making *m)
{
	_cleanup_close_ int tree = -1, header = -1;
	int r;

	m->made_any = true;
	r = backing_mkdir(m->fd, TREE, DIR_MODE);
	if (r == 0)
		r = check_case(m);
	if (r < 0)
		return r;
	tree = backing_open(m->fd, TREE, O_RDONLY | O_DIRECTORY, 0);
	if (tree < 0)
		return tree;
	header = backing_open(tree, ".D", O_RDWR | O_CREAT | O_EXCL, FIXED_MODE);
	r = header < 0 ? header : root_header(m, header);
	return r ? r : backing_sync_dir(tree);
}

/* ---- the fixed files -------------------------------------------------------- */

static int write_fixed(struct making *m, const uint8_t *keyring, size_t n)
{
	struct session_block s = { .seq = 2 }; /* session 1 wrote the tree and ended well */
	uint8_t block[FIXED_BLOCK];
	int r = backing_replace(m->fd, KEYRING_FILE, keyring, n, KEYRING_MODE);

	memcpy(s.vol, m->vol.root.vol, ID_LEN);
	if (r == 0)
		r = session_seal(&s, m->rk.sm, block);
	if (r == 0)
		r = backing_replace(m->fd, SESSION_FILE, block, FIXED_BLOCK, FIXED_MODE);
	if (r == 0)
		r = volume_seal(&m->vol, m->rk.vm, block);
	return r ? r : backing_replace(m->fd, VOLUME_FILE, block, FIXED_BLOCK, FIXED_MODE);
}

/* The name of the directory itself. */
static int sync_parent(const struct making *m)
{
	_cleanup_free_ char *copy = strdup(m->dir);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : backing_sync_dir(fd);
}

static void remove_all(const struct making *m)
{
	if (m->made_any) {
		backing_unlink(m->fd, VOLUME_FILE, 0);
		backing_unlink(m->fd, SESSION_FILE, 0);
		backing_unlink(m->fd, KEYRING_FILE, 0);
		dir_remove(m->fd, TREE);
	}
	if (m->made_dir)
		rmdir(m->dir);
}

static int make_volume(struct making *m, init_slot_fn *add_slot, void *arg)
{
	_cleanup_free_ uint8_t *keyring = NULL;
	size_t n;
	int r = draw(m);

	if (r == 0)
		r = make_keyring(m, add_slot, arg, &keyring, &n);
	if (r == 0)
		r = make_tree(m);
	if (r == 0)
		r = write_fixed(m, keyring, n);
	if (r == 0 && m->made_dir)
		r = sync_parent(m);
	return r;
}

int volume_init(const char *dir, const struct init_options *opt, init_slot_fn *add_slot, void *arg,
		struct zone_id *ret_zone, struct store_error *err)
{
	struct making *m = secret_alloc(sizeof(*m));
	struct store_error own = { "", "" };
	int r;

	if (!m)
		return store_fail(err, -ENOMEM, NULL, "no memory for keys");
	m->opt = opt;
	m->err = err ? err : &own;
	m->err->message[0] = m->err->hint[0] = '\0';
	m->dir = dir;
	m->fd = -1;
	r = open_place(m);
	if (r == 0)
		r = make_volume(m, add_slot, arg);
	if (r == 0)
		*ret_zone = m->vol.root;
	else
		remove_all(m);
	if (r < 0 && !m->err->message[0])
		store_fail(err, r, NULL, "cannot make a volume in %s: %s", dir, strerror(-r));
	cleanup_close(&m->fd);
	secret_free(m);
	return r;
}
