/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the backing store may be full: then a new file gets its header at
 * once, so that want of space is the error of who makes it, and nothing stays
 * without one.  Else the header goes out with the first bytes.
 */
#include <errno.h>

#include "fs/store/internal.h"

#define ROOM_MIN ((uint64_t)64 << 20)
#define LOOK_MS 100   /* how often it is asked */
#define SHORT_MS 1000 /* how long the answer holds that there is little */
#define FULL_MS 10000 /* after an error; a quota is seen by nothing else */

void store_room_error(struct store *st, int r)
{
	if (r == -ENOSPC || r == -EDQUOT)
		st->tight_until = now_ms() + FULL_MS;
}

bool store_is_tight(struct store *st)
{
	uint64_t now = now_ms();
	struct statvfs v;

	if (now < st->tight_until)
		return true;
	if (now - st->room_looked < LOOK_MS)
		return false;
	st->room_looked = now;
	if (backing_statfs(st->root_fd, &v) || (uint64_t)v.f_bavail * v.f_frsize >= ROOM_MIN)
		return false;
	st->tight_until = now + SHORT_MS;
	return true;
}
