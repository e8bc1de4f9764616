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

int check_view_read(struct object *o, struct check_view *v)
{
	uint8_t hk[KEY_LEN];
	int r = read_blocks(o, v);

	if (r)
		return r;
	for (unsigned int i = 0; i < 2; i++)
		v->why[i] = slot_why(o, v->blocks + i * SLOT, i, &v->h[i], v->dek[i], hk,
				     &v->blank[i]);
	secret_wipe(hk, sizeof(hk));
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
