/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX ACLs, as the extended attributes that they are: kept, in step with the
 * mode, enforced, and inherited.
 */
#include <endian.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

struct entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct entry e[16];
};

enum { U_OBJ = 1, U = 2, G_OBJ = 4, G = 8, MASK = 16, OTHER = 32 };
#define NOBODY 0xffffffffu

/* "u::rw u:60002:r g::r m::rw o::-" */
static size_t parse(const char *s, struct acl *ret)
{
	size_t n = 0;

	ret->version = htole32(2);
	for (; *s; n++) {
		uint16_t tag = *s == 'u' ? U_OBJ : *s == 'g' ? G_OBJ : *s == 'm' ? MASK : OTHER;
		uint32_t id = NOBODY;
		uint16_t perm = 0;

		s += 2;
		if (*s != ':') {
			id = (uint32_t)strtoul(s, (char **)&s, 10);
			tag = (uint16_t)(tag << 1);
		}
		for (s++; *s && *s != ' '; s++)
			perm |= *s == 'r' ? 4 : *s == 'w' ? 2 : *s == 'x' ? 1 : 0;
		ret->e[n] = (struct entry){ htole16(tag), htole16(perm), htole32(id) };
		while (*s == ' ')
			s++;
	}
	return 4 + n * sizeof(struct entry);
}

static int set_acl(const char *path, const char *which, const char *text)
{
	struct acl a;
	size_t n = parse(text, &a);

	return setxattr(path, which, &a, n, 0);
}

static const char *show(const char *path, const char *which)
{
	static char buf[512];
	struct acl a;
	ssize_t n = getxattr(path, which, &a, sizeof(a));
	char *p = buf;

	if (n < 0)
		return gave(-1);
	*p = 0;
	for (size_t k = 0; 4 + (k + 1) * sizeof(struct entry) <= (size_t)n; k++) {
		const struct entry *e = &a.e[k];

		p += sprintf(p, "%s%u:%d:%o", k ? " " : "", le16toh(e->tag), (int)le32toh(e->id),
			     le16toh(e->perm));
	}
	return buf;
}

static void kept(void)
{
	static const char *const texts[] = {
		"u::rwx g::rx o::r",
		"u::rw u:60002:r g::r m::rw o::-",
		"u::rw u:60002:rwx u:60003:- g::r g:60103:rw m::r o::r",
		"u::- g::- o::-",
		"u::rw g::r",			      /* incomplete */
		"u::rw u:60002:r g::r o::-",	      /* no mask */
		"u::rw g::r o::r o::r",		      /* twice */
		"g::r u::rw o::r",		      /* order */
		"u::rw u:60003:r u:60002:r g::r m::r o::r",
	};

	for (size_t n = 0; n < ARRAY_SIZE(texts); n++)
		for (int dir = 0; dir < 2; dir++) {
			const char *r;

			if (dir)
				make_dir("n", 0750, geteuid(), getegid());
			else
				make_file("n", 0640, geteuid(), getegid());
			r = gave(set_acl("n", ACCESS, texts[n]));
			say("kept", "%s: %s, %s, %04o", texts[n], r, show("n", ACCESS),
			    mode_of("n"));
			r = gave(set_acl("n", DEFAULT, texts[n]));
			say("kept", "default %s: %s, %s, %04o", texts[n], r, show("n", DEFAULT),
			    mode_of("n"));
			clear("n");
		}
	must(symlink("x", "n"));
	say("kept", "on a symlink: %s",
	    gave(lsetxattr("n", ACCESS, "\2\0\0\0", 4, 0)));
	clear("n");
}

static void with_mode(void)
{
	static const mode_t modes[] = { 0, 0777, 0750, 0640, 0604, 04711, 02070 };

	for (size_t n = 0; n < ARRAY_SIZE(modes); n++) {
		make_file("n", 0640, geteuid(), getegid());
		must(set_acl("n", ACCESS, "u::rw u:60002:rw g::r m::rw o::-"));
		must(chmod("n", modes[n]));
		say("mode", "after chmod %04o: %s, %04o", modes[n], show("n", ACCESS),
		    mode_of("n"));
		clear("n");
	}
	make_file("n", 0640, geteuid(), getegid());
	must(set_acl("n", ACCESS, "u::rw u:60002:rw g::r m::rw o::-"));
	say("mode", "removed: %s", gave(removexattr("n", ACCESS)));
	say("mode", "then: %s, %04o", show("n", ACCESS), mode_of("n"));
	say("mode", "removed again: %s", gave(removexattr("n", ACCESS)));
	say("mode", "removed where none was: %s", gave(removexattr("n", DEFAULT)));
	must(chmod("n", 0666));
	say("mode", "no default of a file: %s", show("n", DEFAULT));
	say("mode", "listed: %zd", listxattr("n", NULL, 0));
	must(set_acl("n", ACCESS, "u::rw u:60002:rw g::r m::rw o::-"));
	say("mode", "listed with one: %zd", listxattr("n", NULL, 0));
	say("mode", "size asked: %zd", getxattr("n", ACCESS, NULL, 0));
	say("mode", "read short: %s", gave(getxattr("n", ACCESS, (char[8]){ 0 }, 8)));
	clear("n");
}

static const struct user *const users[] = { &ROOT, &ALICE, &BOB, &CAROL, &DAVE };

/* Who gets in by an ACL; the second time from what the kernel remembers. */
static void enforced(void)
{
	static const char *const texts[] = {
		"u::rw u:60002:r g::- m::r o::-",
		"u::rw u:60002:rw g::- m::r o::-",
		"u::rw u:60004:- g::rw m::rw o::rw",
		"u::rw g::- g:60103:rw m::rw o::-",
		"u::rw g::r g:60103:w m::rw o::-",
		"u::- u:60001:rw g::- m::rw o::-",
		"u::rw u:60004:rw g::r m::- o::r",
		"u::rw u:60003:w g::rw g:60103:r m::rw o::-",
	};

	for (size_t n = 0; n < ARRAY_SIZE(texts); n++)
		for (size_t u = 0; u < ARRAY_SIZE(users); u++) {
			const char *r[3];

			become(&ROOT);
			make_file("n", 0600, A_UID, A_GID);
			must(set_acl("n", ACCESS, texts[n]));
			become(users[u]);
			r[0] = try_open("n", O_RDONLY, 0);
			r[1] = try_open("n", O_WRONLY, 0);
			r[2] = gave(access("n", R_OK | W_OK));
			say("enforced", "%s, %s: r %s, w %s, access %s", texts[n], users[u]->name,
			    r[0], r[1], r[2]);
			r[0] = gave(set_acl("n", ACCESS, "u::rw g::rw o::rw"));
			say("enforced", "%s, %s sets another: %s", texts[n], users[u]->name, r[0]);
			r[0] = try_open("n", O_RDWR, 0);
			say("enforced", "%s, %s then: %s", texts[n], users[u]->name, r[0]);
			become(&ROOT);
			must(chmod("n", 0600));
			become(users[u]);
			r[0] = try_open("n", O_RDONLY, 0);
			say("enforced", "%s, %s after chmod 600: %s", texts[n], users[u]->name,
			    r[0]);
			become(&ROOT);
			clear("n");
		}
	make_dir("d", 0700, A_UID, A_GID);
	make_file("d/f", 0644, A_UID, A_GID);
	must(set_acl("d", ACCESS, "u::rwx u:60004:x g::- m::rwx o::-"));
	become(&DAVE);
	say("enforced", "through a directory: %s", try_open("d/f", O_RDONLY, 0));
	say("enforced", "its list: %s", try_open("d", O_RDONLY, 0));
	say("enforced", "a new file: %s", try_open("d/g", O_CREAT | O_RDWR, 0644));
	become(&ROOT);
	must(set_acl("d", ACCESS, "u::rwx u:60004:rwx g::- m::rwx o::-"));
	become(&DAVE);
	say("enforced", "a new file, allowed: %s", try_open("d/g", O_CREAT | O_RDWR, 0644));
	say("enforced", "unlinked: %s", gave(unlink("d/f")));
	become(&ROOT);
	clear("d");
}

/* What a default ACL gives to what is made under it, with and against the umask. */
static void inherited(const char *text, mode_t mask)
{
	static const mode_t modes[] = { 0666, 0777, 0600, 0644, 06777, 0 };

	make_dir("d", 0755, geteuid(), getegid());
	must(set_acl("d", DEFAULT, text));
	umask(mask);
	for (size_t n = 0; n < ARRAY_SIZE(modes); n++) {
		const char *r = try_open("d/f", O_CREAT | O_EXCL | O_RDWR, modes[n]);

		say("inherited", "%s umask %03o file %04o: %s %04o %s", text, mask, modes[n], r,
		    mode_of("d/f"), show("d/f", ACCESS));
		r = gave(mkdir("d/d", modes[n]));
		say("inherited", "%s umask %03o directory %04o: %s %04o %s", text, mask, modes[n],
		    r,
		    mode_of("d/d"), show("d/d", ACCESS));
		say("inherited", "%s umask %03o directory %04o default: %s", text, mask, modes[n],
		    show("d/d", DEFAULT));
		r = gave(mkfifo("d/p", modes[n]));
		say("inherited", "%s umask %03o fifo %04o: %s %04o %s", text, mask, modes[n], r,
		    mode_of("d/p"), show("d/p", ACCESS));
		clear("d/f");
		clear("d/d");
		clear("d/p");
	}
	umask(0);
	say("inherited", "%s removed: %s", text, gave(removexattr("d", DEFAULT)));
	umask(022);
	say("inherited", "%s then: %s", text, try_open("d/f", O_CREAT | O_RDWR, 0666));
	say("inherited", "%s gives: %s %04o", text, show("d/f", ACCESS), mode_of("d/f"));
	umask(0);
	clear("d");
}

/* Set by one who is not in the group, an ACL takes the set-group-ID bit away. */
static void set_group_id(const struct user *u)
{
	const char *r;

	become(&ROOT);
	make_file("n", 02755, u->uid, S_GID);
	become(u);
	r = gave(set_acl("n", ACCESS, "u::rwx u:60009:r g::rx m::rx o::rx"));
	become(&ROOT);
	say("set-group-ID", "by %s: %s %04o", u->name, r, mode_of("n"));
	clear("n");
}

void area_acl(void)
{
	static const char *const defaults[] = {
		"u::rwx u:60002:rwx g::rx m::rwx o::rx",
		"u::rwx g::rx o::-",
		"u::rwx g::rwx o::rwx",
		"u::rx u:60002:r g::- g:60103:rw m::rw o::-",
		"u::- g::rwx o::r",
	};

	kept();
	with_mode();
	for (size_t n = 0; n < ARRAY_SIZE(defaults); n++) {
		inherited(defaults[n], 0);
		inherited(defaults[n], 022);
		inherited(defaults[n], 0777);
	}
	if (!is_root)
		return;
	enforced();
	set_group_id(&ALICE);
	set_group_id(&DAVE);
	set_group_id(&ROOT);
}
