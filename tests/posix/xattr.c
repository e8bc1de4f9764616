/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: names, sizes, flags, lists, on each type of node, and
 * who may.
 */
#include <sys/xattr.h>

#include "tests/posix/posix.h"

#define BIG 65536

static char value[BIG + 1], back[BIG + 1];

static void sizes(void)
{
	static const size_t lens[] = { 0, 1, 100, 1000, 4000, 4096, 16000, 60000, 65000, 65480,
				       65507, 65508, 65535, 65536 };

	make_filled("f", 1);
	for (size_t n = 0; n < ARRAY_SIZE(lens); n++) {
		const char *r = gave(setxattr("f", "user.size", value, lens[n], 0));
		ssize_t got = getxattr("f", "user.size", back, sizeof(back));

		say("size", "%zu: %s, back %zd, same %d", lens[n], r, got,
		    got == (ssize_t)lens[n] && !memcmp(value, back, lens[n]));
		say("size", "%zu asked: %zd", lens[n], getxattr("f", "user.size", NULL, 0));
		if (lens[n] > 1)
			say("size", "%zu read short: %s", lens[n],
			    gave(getxattr("f", "user.size", back, 1)));
		removexattr("f", "user.size");
	}
	say("size", "65537: %s", gave(setxattr("f", "user.size", value, BIG + 1, 0)));
	clear("f");
}

static void names(void)
{
	static const char *const list[] = {
		"user.a", "user.", "user", "", "user.\xff", "user.a b", "user.\n", "user.a.b.c",
		"other.a", "system.a", "security.a", "trusted.a", "trusted.", "security.",
		"User.a", "user..", "nodot", ".a", "user.cmkfs.x", "btrfs.x",
		"system.posix_acl_other",
	};
	static const size_t lens[] = { 1, 100, 150, 167, 168, 200, 249, 250, 251, 300 };
	char name[400];

	make_filled("f", 1);
	for (size_t n = 0; n < ARRAY_SIZE(list); n++) {
		const char *r[3];

		r[0] = gave(setxattr("f", list[n], "v", 1, 0));
		r[1] = gave(getxattr("f", list[n], back, 10));
		r[2] = gave(removexattr("f", list[n]));
		say("name", "number %zu '%.8s': set %s, get %s, remove %s", n,
		    (unsigned char)list[n][5 < strlen(list[n]) ? 5 : 0] > 126 ? "user.?" : list[n],
		    r[0], r[1], r[2]);
	}
	for (size_t n = 0; n < ARRAY_SIZE(lens); n++) {
		const char *r[2];

		strcpy(name, "user.");
		memset(name + 5, 'n', lens[n]);
		name[5 + lens[n]] = 0;
		r[0] = gave(setxattr("f", name, "v", 1, 0));
		r[1] = gave(getxattr("f", name, back, 10));
		say("name", "of %zu bytes after user.: set %s, get %s", lens[n], r[0], r[1]);
		removexattr("f", name);
	}
	clear("f");
}

static void flags(void)
{
	make_filled("f", 1);
	say("flag", "REPLACE of none: %s", gave(setxattr("f", "user.f", "1", 1, XATTR_REPLACE)));
	say("flag", "CREATE: %s", gave(setxattr("f", "user.f", "1", 1, XATTR_CREATE)));
	say("flag", "CREATE again: %s", gave(setxattr("f", "user.f", "2", 1, XATTR_CREATE)));
	say("flag", "REPLACE: %s", gave(setxattr("f", "user.f", "3", 1, XATTR_REPLACE)));
	say("flag", "unknown: %s", gave(setxattr("f", "user.f", "4", 1, 8)));
	say("flag", "both: %s", gave(setxattr("f", "user.f", "4", 1, 3)));
	say("flag", "value: %zd %c", getxattr("f", "user.f", back, 8), back[0]);
	say("flag", "get of none: %s", gave(getxattr("f", "user.none", back, 8)));
	say("flag", "remove of none: %s", gave(removexattr("f", "user.none")));
	say("flag", "of what is not there: %s", gave(getxattr("none", "user.f", back, 8)));
	clear("f");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lists(void)
{
	char name[32], *names_[64];
	size_t n = 0;
	ssize_t r;

	make_filled("f", 1);
	say("list", "of none: %zd", listxattr("f", back, sizeof(back)));
	for (int k = 0; k < 20; k++) {
		snprintf(name, sizeof(name), "user.list%d", k);
		must(setxattr("f", name, value, 10, 0));
	}
	r = listxattr("f", back, sizeof(back));
	say("list", "of twenty: %zd, asked %zd", r, listxattr("f", NULL, 0));
	say("list", "read short: %s", gave(listxattr("f", back + 40000, 10)));
	for (char *p = back; p < back + r && n < 64; p += strlen(p) + 1)
		names_[n++] = p;
	qsort(names_, n, sizeof(names_[0]), by_name);
	for (size_t k = 0; k < n; k++)
		say("list", "%s", names_[k]);
	must(rename("f", "g"));
	must(link("g", "h"));
	say("list", "after rename: %zd, by another link: %zd", listxattr("g", NULL, 0),
	    listxattr("h", NULL, 0));
	say("list", "value by it: %zd", getxattr("h", "user.list7", back, 100));
	clear("g");
	clear("h");
}

static void by_type(void)
{
	static const char *const spaces[] = { "user.t", "trusted.t", "security.t" };

	for (size_t t = 0; t < n_types; t++)
		for (size_t n = 0; n < ARRAY_SIZE(spaces); n++) {
			const char *r[4];

			must(make_type("n", node_types[t].type));
			r[0] = gave(lsetxattr("n", spaces[n], "v", 1, 0));
			r[1] = gave(lgetxattr("n", spaces[n], back, 8));
			r[2] = gave(llistxattr("n", back, sizeof(back)));
			r[3] = gave(lremovexattr("n", spaces[n]));
			say("type", "%s %s: set %s, get %s, list %s, remove %s", node_types[t].name,
			    spaces[n], r[0], r[1], r[2], r[3]);
			clear("n");
		}
	must(symlink("f", "l"));
	make_filled("f", 1);
	say("type", "through a link: %s", gave(setxattr("l", "user.x", "1", 1, 0)));
	say("type", "on the file: %zd", getxattr("f", "user.x", back, 8));
	if (is_root) {
		must(lsetxattr("l", "trusted.x", "12", 2, 0));
		must(rename("l", "l2"));
		say("type", "a link's own after rename: %zd", lgetxattr("l2", "trusted.x", back,
		    8));
	}
	clear("l");
	clear("l2");
	clear("f");
}

static void who(void)
{
	static const struct user *const users[] = { &ROOT, &ALICE, &BOB, &CAROL, &DAVE };
	static const char *const spaces[] = { "user.w", "trusted.w", "security.w" };
	static const mode_t modes[] = { 0644, 0600, 0400, 0200, 01777 };

	for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
		for (size_t u = 0; u < ARRAY_SIZE(users); u++)
			for (size_t n = 0; n < ARRAY_SIZE(spaces); n++) {
				const char *r[4];

				if (modes[m] == 01777)
					make_dir("n", modes[m], A_UID, A_GID);
				else
					make_file("n", modes[m], A_UID, A_GID);
				must(setxattr("n", spaces[n], "0", 1, 0));
				become(users[u]);
				r[0] = gave(getxattr("n", spaces[n], back, 8));
				r[1] = gave(setxattr("n", spaces[n], "1", 1, 0));
				r[2] = gave(removexattr("n", spaces[n]));
				r[3] = gave(listxattr("n", back, sizeof(back)));
				become(&ROOT);
				say("who", "%s %s %04o: get %s, set %s, remove %s, list %s",
				    users[u]->name, spaces[n], modes[m], r[0], r[1], r[2], r[3]);
				clear("n");
			}
	make_file("n", 0644, A_UID, A_GID);
	must(setxattr("n", "trusted.w", "0", 1, 0));
	must(setxattr("n", "user.w", "0", 1, 0));
	become(&ALICE);
	say("who", "trusted in a user's list: %zd", listxattr("n", back, sizeof(back)));
	become(&ROOT);
	clear("n");
}

/* Many attributes of one node; each is there with its own value. */
static void many(void)
{
	char name[32];
	int bad = 0;

	make_filled("f", 1);
	for (int k = 0; k < 30; k++) {
		snprintf(name, sizeof(name), "user.many%d", k);
		bad += setxattr("f", name, value + k, 40, 0) < 0;
	}
	for (int k = 0; k < 30; k++) {
		snprintf(name, sizeof(name), "user.many%d", k);
		bad += getxattr("f", name, back, 100) != 40 || memcmp(back, value + k, 40);
	}
	say("many", "thirty that fail: %d", bad);
	clear("f");
}

void area_xattr(void)
{
	for (size_t n = 0; n < sizeof(value); n++)
		value[n] = (char)(n * 31 + (n >> 8));
	sizes();
	names();
	flags();
	lists();
	by_type();
	many();
	if (is_root)
		who();
}
