/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has got a name and is not durable yet carries an attribute that says so
 * (cmkfs-format(5), Binding).  The journal of the backing filesystem keeps the
 * order of attribute and name, but not that of a name and a header: after a
 * power cut the attribute tells what the header could not.
 */
#include <errno.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/newborn.h"

#define ATTRIBUTE "user.cmkfs-new"

struct newborn {
	uint8_t session[8];
	uint8_t made[TAG_LEN];	/* by SM: the session made what lies at this name */
	uint8_t bound[TAG_LEN]; /* by HK: this object was linked at this name */
};

static int tag_by(const uint8_t *key, const char *label, const uint8_t session[static 8],
		  const uint8_t tag[static TAG_LEN], uint8_t ret[static TAG_LEN])
{
	const struct iovec iov[] = {
		{ (void *)(uintptr_t)label, strlen(label) + 1 },
		{ (void *)(uintptr_t)session, 8 },
		{ (void *)(uintptr_t)tag, TAG_LEN },
	};
	uint8_t m[MAC_LEN];
	int r = mac_v(key, KEY_LEN, iov, ARRAY_SIZE(iov), m);

	if (!r)
		memcpy(ret, m, TAG_LEN);
	return r;
}

static int tag_made(struct store *st, const uint8_t session[static 8],
		    const uint8_t tag[static TAG_LEN], uint8_t ret[static TAG_LEN])
{
	return st->sm ? tag_by(st->sm, "cmkfs1 made", session, tag, ret) : -ENOKEY;
}

int newborn_mark(struct loaded *l, int fd, const uint8_t tag[static TAG_LEN])
{
	struct store *st = l->o->st;
	struct newborn n;
	int r;

	put_le64(n.session, session_current(st));
	r = tag_made(st, n.session, tag, n.made);
	if (!r)
		r = tag_by(l->k->hk, "cmkfs1 bound", n.session, tag, n.bound);
	return r ? r : backing_setxattr(fd, NULL, ATTRIBUTE, &n, sizeof(n), 0);
}

/* The attribute of an unclean session. */
static bool read_mark(struct object *o, struct newborn *ret)
{
	return backing_getxattr(o->fd, NULL, ATTRIBUTE, ret, sizeof(*ret)) == sizeof(*ret) &&
	       session_unclean(o->st, get_le64(ret->session));
}

bool newborn_made(struct object *o)
{
	uint8_t tag[TAG_LEN], own[TAG_LEN];
	struct newborn n;

	return read_mark(o, &n) && !path_tag(o, tag) && !tag_made(o->st, n.session, tag, own) &&
	       secret_equal(own, n.made, TAG_LEN);
}

bool newborn_bound(struct object *o, const uint8_t tag[static TAG_LEN])
{
	uint8_t own[TAG_LEN];
	struct newborn n;

	return read_mark(o, &n) && !tag_by(o->l->k->hk, "cmkfs1 bound", n.session, tag, own) &&
	       secret_equal(own, n.bound, TAG_LEN);
}
