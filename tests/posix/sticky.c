/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sticky directories: who may remove, rename and replace what is whose.
 */
#include "tests/posix/posix.h"

static const uid_t owners[] = { 0, A_UID, B_UID };

static const char *owner_name(uid_t u)
{
	return u == A_UID ? "mine" : u == B_UID ? "theirs" : "root's";
}

/* A sticky or plain directory of DIR_UID with one node of NODE_UID. */
static void set_up(const char *dir, bool sticky, uid_t dir_uid, uid_t node_uid, mode_t type)
{
	char path[64];

	become(&ROOT);
	clear(dir);
	make_dir(dir, 0777, dir_uid, 0);
	snprintf(path, sizeof(path), "%s/n", dir);
	must(make_type(path, type));
	must(lchown(path, node_uid, 0));
	if (type == S_IFDIR)
		must(chmod(path, 0777));
	must(chmod(dir, sticky ? 01777 : 0777));
}

static void removing(bool sticky, uid_t dir_uid, uid_t node_uid, const struct node_type *t)
{
	const char *a;

	set_up("d", sticky, dir_uid, node_uid, t->type);
	become(&ALICE);
	a = gave(t->type == S_IFDIR ? rmdir("d/n") : unlink("d/n"));
	say("remove", "%s in %s%s, %s: %s", t->name, sticky ? "sticky " : "", owner_name(dir_uid),
	    owner_name(node_uid), a);
	set_up("d", sticky, dir_uid, node_uid, t->type);
	become(&ALICE);
	a = gave(rename("d/n", "d/m"));
	say("rename", "%s in %s%s, %s: %s", t->name, sticky ? "sticky " : "", owner_name(dir_uid),
	    owner_name(node_uid), a);
}

/* Mine is renamed over another's, into a sticky directory and within it. */
static void replacing(uid_t dir_uid, uid_t node_uid, bool is_dir)
{
	mode_t type = is_dir ? S_IFDIR : S_IFREG;
	const char *a;

	set_up("d", true, dir_uid, node_uid, type);
	set_up("mine", false, A_UID, A_UID, type);
	become(&ALICE);
	a = gave(rename("mine/n", "d/n"));
	say("replace", "%s %s in sticky, %s: %s", owner_name(node_uid),
	    is_dir ? "directory" : "file", owner_name(dir_uid), a);
	set_up("d", true, dir_uid, node_uid, type);
	set_up("mine", false, A_UID, A_UID, type);
	become(&ALICE);
	a = gave(renameat2(AT_FDCWD, "mine/n", AT_FDCWD, "d/n", RENAME_EXCHANGE));
	say("exchange", "%s %s in sticky, %s: %s", owner_name(node_uid),
	    is_dir ? "directory" : "file", owner_name(dir_uid), a);
	set_up("d", true, dir_uid, node_uid, type);
	set_up("mine", false, A_UID, A_UID, type);
	become(&ALICE);
	a = gave(rename("d/n", "mine/m"));
	say("move out", "%s %s of sticky, %s: %s", owner_name(node_uid),
	    is_dir ? "directory" : "file", owner_name(dir_uid), a);
}

/* Writing what one may remove is another matter. */
static void writing(uid_t dir_uid, uid_t node_uid)
{
	const char *a;

	set_up("d", true, dir_uid, node_uid, S_IFREG);
	must(chmod("d/n", 0666));
	become(&ALICE);
	a = try_open("d/n", O_WRONLY, 0);
	say("write", "%s in sticky, %s: %s", owner_name(node_uid), owner_name(dir_uid), a);
	a = gave(truncate("d/n", 0));
	say("truncate", "%s in sticky, %s: %s", owner_name(node_uid), owner_name(dir_uid), a);
}

void area_sticky(void)
{
	if (!is_root)
		return;
	for (size_t d = 0; d < ARRAY_SIZE(owners); d++)
		for (size_t n = 0; n < ARRAY_SIZE(owners); n++) {
			for (size_t t = 0; t < n_types; t++) {
				removing(true, owners[d], owners[n], &node_types[t]);
				removing(false, owners[d], owners[n], &node_types[t]);
			}
			replacing(owners[d], owners[n], false);
			replacing(owners[d], owners[n], true);
			writing(owners[d], owners[n]);
		}
}
