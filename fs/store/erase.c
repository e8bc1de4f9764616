/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an object's data key.  Nobody may use the object when its header
 * is overwritten: a batch under way would write it again.
 */
#include "fs/store/erase_priv.h"

#include <openssl/evp.h>
#include <time.h>

#include "fs/store/content.h"

#define WAIT_MS 10000 /* for who is using it */
#define STEP_NS 500000

bool object_is_erased(const struct object *o)
{
	return o->erased;
}

/* What is to be said of it later.  An object without a valid header can be erased, too. */
static void describe(struct object *o, struct erased *ret)
{
	struct loaded *l;

	*ret = (struct erased){ .zone = o->zone->id, .ino = o->ino, .dir = S_ISDIR(o->type) };
	if (object_pin(o, &l))
		return;
	pthread_rwlock_rdlock(&l->lock);
	memcpy(ret->object_id, l->h.object_id, ID_LEN);
	ret->epoch = l->h.epoch;
	ret->vk_gen = l->h.vk_gen;
	ret->size = l->h.size;
	if (EVP_Digest(l->h.wrapped, sizeof(l->h.wrapped), ret->wrapped_digest, NULL, EVP_sha256(),
		       NULL) != 1)
		memset(ret->wrapped_digest, 0, sizeof(ret->wrapped_digest));
	pthread_rwlock_unlock(&l->lock);
	object_unpin(o);
}

/* ON: nobody new can use the keys of O.  Wait until there is no pin but ours. */
static int close_off(struct object *o)
{
	const struct timespec step = { 0, STEP_NS };
	uint64_t end = now_ms() + WAIT_MS;

	for (;;) {
		bool alone;

		pthread_mutex_lock(&o->lock);
		o->erased = true;
		alone = o->pins == 1;
		if (!alone && now_ms() > end)
			o->erased = false;
		pthread_mutex_unlock(&o->lock);
		if (alone)
			return 0;
		if (!o->erased)
			return -EBUSY;
		nanosleep(&step, NULL);
	}
}

/* It goes on to be used: nothing was overwritten, or perhaps a slot, which the next flush makes good. */
static void open_again(struct object *o, bool touched)
{
	struct loaded *l;

	pthread_mutex_lock(&o->lock);
	o->erased = false;
	l = o->l;
	if (l && touched) {
		l->header_dirty = true;
		o->pins++;
	}
	pthread_mutex_unlock(&o->lock);
	if (l && touched) {
		loaded_mark_dirty(l);
		object_unpin(o);
	}
}

static int check_alone(struct object *o, unsigned int links)
{
	struct stat sb;
	int r = backing_fstat(o->fd, &sb);

	if (r)
		return r;
	if (o->type == S_IFDIR)
		return dir_is_empty(o->st, o->fd);
	return sb.st_nlink > links ? -EMLINK : 0;
}

/* Both slots, where they lie; then the contents go as well, which only makes room. */
static int overwrite(struct object *o, bool *ret_touched)
{
	static const uint8_t zeros[2 * SLOT];
	_cleanup_close_ int own = -1;
	int fd = o->fd, r;

	if (S_ISDIR(o->type)) {
		fd = own = backing_open(o->fd, ".D", O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd == -ENOENT)
			return 0; /* it has none any more */
	}
	if (fd < 0)
		return fd;
	if (own < 0 && o->fd_ro)
		return -EACCES;
	*ret_touched = true;
	r = backing_write(fd, zeros, sizeof(zeros), 0);
	if (!r)
		r = backing_sync(fd);
	if (!r && own < 0)
		backing_truncate(fd, 0);
	return r;
}

int object_erase(struct object *o, unsigned int links, struct erased *ret)
{
	bool touched = false;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	describe(o, ret);
	r = object_pin_fd(o);
	if (r)
		return r;
	r = close_off(o);
	if (r)
		goto out;
	r = check_alone(o, links);
	if (!r)
		r = overwrite(o, &touched);
	if (r)
		open_again(o, touched);
	else
		object_unload_erased(o);
	ret->time = (int64_t)time(NULL);
out:
	object_unpin(o);
	return r;
}
