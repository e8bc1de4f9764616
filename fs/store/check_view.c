/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object's header as it lies on disk: both slots, which one counts, and
 * what it may fall back on.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/check_internal.h"

struct check_view *check_view_new(void)
{
	struct check_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->dek[0] = secret_alloc(2 * KEY_LEN);
	v->dek[1] = secret_alloc(2 * KEY_LEN);
	if (v->dek[0] && v->dek[1])
		return v;
	check_view_free(v);
	return NULL;
}

void check_view_free(struct check_view *v)
{
	if (!v)
		return;
	secret_free(v->dek[0]);
	secret_free(v->dek[1]);
	free(v);
}

static int read_blocks(struct object *o, struct check_view *v)
{
	_cleanup_close_ int own = -1;
	struct stat sb;
	int fd = o->fd, r;
	ssize_t got;

	if (S_ISDIR(o->type)) {
		fd = own = backing_open(o->fd, ".D", O_RDONLY | O_NONBLOCK, 0);
		if (fd < 0)
			return fd;
	}
	r = backing_fstat(fd, &sb);
	if (r)
		return r;
	v->length = (uint64_t)sb.st_size;
	got = backing_read(fd, v->blocks, 2 * SLOT, 0);
	if (got < 0)
		return (int)got;
	memset(v->blocks + got, 0, 2 * SLOT - (size_t)got);
	return 0;
}

static const char *unwrap_keys(struct object *o, const struct header *h, uint8_t dek[2][KEY_LEN])
{
	const uint8_t *kek = zone_kek(o->zone, h->vk_gen);

	if (!kek)
		return "key generation";
	if (unwrap_key(kek, h->wrapped, dek[h->epoch & 1]))
		return "wrapped key";
	if (!(h->flags & FLAG_REKEY))
		return NULL;
	kek = zone_kek(o->zone, h->old_vk_gen);
	return kek && !unwrap_key(kek, h->old_wrapped, dek[(h->epoch - 1) & 1]) ?
		       NULL : "wrapped old key";
}

static const char *slot_why(struct object *o, struct check_view *v, unsigned int i)
{
	const uint8_t *block = v->blocks + i * SLOT;
	struct header *h = &v->h[i];
	const char *why = "header";
	uint8_t hk[KEY_LEN];
	int r = header_parse(block, h, &why);

	v->blank[i] = r == -ENODATA;
	if (r)
		return v->blank[i] ? "never written" : why;
	if ((h->gen & 1) != i)
		return "generation";
	if (memcmp(&h->zone, &o->zone->id, sizeof(h->zone)) ||
	    (o->parent && !(h->flags & FLAG_ZONE_ROOT) == zone_begins(o)))
		return "volume or zone";
	if (h->type != (S_ISDIR(o->type) ? OBJECT_DIR : OBJECT_FILE))
		return "type";
	if (h->incompat || !rekey_known(h))
		return "needs a newer version";
	why = unwrap_keys(o, h, v->dek[i]);
	if (why)
		return why;
	r = kdf_object(v->dek[i][h->epoch & 1], KDF_HEADER, h->object_id, h->epoch, hk, KEY_LEN);
	if (!r)
		r = header_verify(block, hk);
	secret_wipe(hk, sizeof(hk));
	return r ? "header MAC" : NULL;
}

int check_view_read(struct object *o, struct check_view *v)
{
	int r = read_blocks(o, v);

	if (r)
		return r;
	for (unsigned int i = 0; i < 2; i++)
		v->why[i] = slot_why(o, v, i);
	if (v->why[0] && v->why[1]) {
		v->n = v->blank[0];
		return v->blank[0] && v->blank[1] ? -ENODATA : -EBADMSG;
	}
	v->n = v->why[1] || (!v->why[0] && v->h[0].gen > v->h[1].gen) ? 0 : 1;
	v->unclean = session_unclean(o->st, v->h[v->n].session);
	v->have_base = !v->why[1 - v->n] && v->h[v->n].base &&
		       v->h[1 - v->n].gen == v->h[v->n].base;
	return 0;
}
