/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binding tags of an object's header: one for each name that it may be
 * found by.  In which order they and the names go out, cmkfs-format(5),
 * Binding, says.
 */
#include "crypto/secret.h"
#include "fs/store/content.h"

void header_add_tag(struct header *h, const uint8_t tag[TAG_LEN])
{
	if (h->ntags < MAX_TAGS)
		memcpy(h->tags[h->ntags++], tag, TAG_LEN);
	else
		h->flags |= FLAG_BIND_OVERFLOW;
}

int loaded_add_tag(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	struct header *h = &l->h;
	int r = l->header_settle ? loaded_settle(l) : 0;

	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	if (l->late && secret_equal(l->late_tag, tag, TAG_LEN))
		l->late = false;
	for (unsigned int i = 0; i < h->ntags; i++)
		if (secret_equal(h->tags[i], tag, TAG_LEN))
			goto out;
	header_add_tag(h, tag);
	l->header_dirty = true;
out:
	pthread_rwlock_unlock(&l->lock);
	loaded_mark_dirty(l);
	return 0;
}

void loaded_drop_tag(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	struct header *h = &l->h;

	if (l->header_settle && loaded_settle(l))
		return; /* a tag too many is no harm, but an unclean header must not be written over */
	pthread_rwlock_wrlock(&l->lock);
	for (unsigned int i = 0; i < h->ntags; i++) {
		if (!secret_equal(h->tags[i], tag, TAG_LEN))
			continue;
		memmove(h->tags[i], h->tags[i + 1], (h->ntags - i - 1u) * TAG_LEN);
		h->ntags--;
		memset(h->tags[h->ntags], 0, TAG_LEN);
		l->header_dirty = true;
		break;
	}
	pthread_rwlock_unlock(&l->lock);
	loaded_mark_dirty(l);
}

void loaded_drop_tag_late(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	if (!pair_may_be_durable(&l->g0->pair)) {
		loaded_drop_tag(l, tag);
		return;
	}
	pthread_rwlock_wrlock(&l->lock);
	memcpy(l->late_tag, tag, TAG_LEN);
	l->late = true;
	pthread_rwlock_unlock(&l->lock);
}

int loaded_drop_late(struct loaded *l, int dirfd)
{
	uint8_t tag[TAG_LEN];
	bool late;
	int r;

	pthread_rwlock_rdlock(&l->lock);
	late = l->late;
	memcpy(tag, l->late_tag, TAG_LEN);
	pthread_rwlock_unlock(&l->lock);
	if (!late)
		return 0;
	r = backing_sync_dir(dirfd);
	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	late = l->late && secret_equal(l->late_tag, tag, TAG_LEN);
	if (late)
		l->late = false;
	pthread_rwlock_unlock(&l->lock);
	if (late)
		loaded_drop_tag(l, tag);
	return 0;
}

int loaded_commit_tags(struct loaded *l)
{
	/*
	 * Without a durable slot a power cut loses the object whole: nothing to order.
	 * But a new directory is on disk when the one that it lies in was synced.
	 */
	return loaded_flush(l, S_ISDIR(l->o->type) || pair_may_be_durable(&l->g0->pair));
}
