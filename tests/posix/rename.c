/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename: every type over every type by every flag, directories into
 * themselves, links of one file, link counts and inode numbers.
 */
#include "tests/posix/posix.h"

static const struct {
	const char *name;
	unsigned int flags;
} ways[] = {
	{ "plain", 0 },
	{ "NOREPLACE", RENAME_NOREPLACE },
	{ "EXCHANGE", RENAME_EXCHANGE },
	{ "both", RENAME_NOREPLACE | RENAME_EXCHANGE },
	{ "unknown flag", 0x80 },
};

static int rename_by(const char *a, const char *b, unsigned int flags)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, flags);
}

static mode_t type_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

static ino_t ino_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_ino;
}

static void over(const struct node_type *a, const struct node_type *b, size_t way)
{
	mode_t had_a, had_b;
	const char *r;

	clear("a");
	clear("b");
	must(make_type("a", a->type));
	if (b)
		must(make_type("b", b->type));
	had_a = type_at("a");
	had_b = type_at("b");
	r = gave(rename_by("a", "b", ways[way].flags));
	say("types", "%s over %s, %s: %s, %s %s", a->name, b ? b->name : "nothing",
	    ways[way].name, r,
	    type_at("a") == had_a ? "kept" : type_at("a") ? "changed" : "gone",
	    type_at("b") == had_b ? "kept" : type_at("b") == had_a ? "is it" : "other");
	clear("a");
	clear("b");
}

static void type_by_type(void)
{
	for (size_t a = 0; a < n_types; a++)
		for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
			over(&node_types[a], NULL, w);
			for (size_t b = 0; b < n_types; b++)
				over(&node_types[a], &node_types[b], w);
		}
}

static void numbers(void)
{
	for (size_t t = 0; t < n_types; t++) {
		ino_t was;

		must(make_type("a", node_types[t].type));
		was = ino_at("a");
		must(rename("a", "b"));
		say("number", "%s kept: %d", node_types[t].name, ino_at("b") == was);
		must(mkdir("sub", 0755));
		must(rename("b", "sub/c"));
		say("number", "%s kept in another directory: %d", node_types[t].name,
		    ino_at("sub/c") == was);
		clear("sub");
	}
}

static void directories(void)
{
	static const struct {
		const char *from, *to;
	} pairs[] = {
		{ "d", "d" },	       { "d", "d/x" },	      { "d", "d/sub/x" },
		{ "d", "d/sub" },      { "d/sub", "d" },      { "d/sub", "." },
		{ "d/sub", ".." },     { ".", "x" },	      { "..", "x" },
		{ "d/.", "x" },	       { "d/..", "x" },	      { "d", "x/" },
		{ "x/", "d" },	       { "f", "x/" },	      { "f/", "x" },
		{ "f", "d/" },	       { "none", "x" },	      { "f/y", "x" },
		{ "f", "f/y" },	       { "f", "none/y" },     { "d", "full" },
		{ "full", "d" },       { "", "x" },	      { "f", "" },
		{ "f", "loop/x" },     { "loop/x", "y" },     { "d", "tod" },
		{ "tod", "x" },	       { "tod/", "x" },	      { "f", "dangling" },
		{ "dangling", "f" },   { "d", "dangling/" },
	};

	for (size_t w = 0; w < 3; w++)
		for (size_t n = 0; n < ARRAY_SIZE(pairs); n++) {
			const char *r;

			must(mkdir("top", 0755));
			must(chdir("top"));
			must(mkdir("d", 0755));
			must(mkdir("d/sub", 0755));
			must(mkdir("full", 0755));
			make_filled("full/f", 1);
			make_filled("f", 10);
			must(symlink("loop", "loop"));
			must(symlink("d", "tod"));
			must(symlink("absent", "dangling"));
			r = gave(rename_by(pairs[n].from, pairs[n].to, ways[w].flags));
			must(chdir(".."));
			say("paths", "'%s' to '%s', %s: %s", pairs[n].from, pairs[n].to,
			    ways[w].name, r);
			clear("top");
		}
}

static void counts(void)
{
	struct stat st;

	must(mkdir("p", 0755));
	must(mkdir("q", 0755));
	must(mkdir("p/d", 0755));
	must(stat("p", &st));
	say("links", "with a directory: %ju", (uintmax_t)st.st_nlink);
	must(rename("p/d", "q/d"));
	must(stat("p", &st));
	say("links", "it left: %ju", (uintmax_t)st.st_nlink);
	must(stat("q", &st));
	say("links", "it came: %ju", (uintmax_t)st.st_nlink);
	must(mkdir("q/e", 0755));
	must(rename("q/d", "q/e"));
	must(stat("q", &st));
	say("links", "one over another: %ju", (uintmax_t)st.st_nlink);
	make_filled("q/f", 1);
	must(rename_by("q/f", "q/e", RENAME_EXCHANGE));
	must(stat("q", &st));
	say("links", "after an exchange: %ju", (uintmax_t)st.st_nlink);
	clear("p");
	clear("q");
	make_filled("one", 1);
	must(link("one", "two"));
	say("links", "rename to another link: %s", gave(rename("one", "two")));
	say("links", "both are there: %d %d, %s", exists("one"), exists("two"), look("one"));
	say("links", "rename to itself: %s", gave(rename("one", "one")));
	say("links", "NOREPLACE to itself: %s", gave(rename_by("one", "one", RENAME_NOREPLACE)));
	make_filled("three", 3);
	must(rename("three", "two"));
	say("links", "one link replaced: %s", look("one"));
	clear("one");
	clear("two");
}

static void times_and_content(void)
{
	char buf[16] = "";
	struct stat a, b;
	int fd, was;

	make_filled("f", 5);
	make_filled("g", 9);
	fd = must(open("f", O_RDWR));
	was = must(open("g", O_RDWR));
	must(fstat(fd, &a));
	tick();
	must(rename("f", "g"));
	must(fstat(fd, &b));
	say("open", "ctime goes on: %d", a.st_ctim.tv_nsec != b.st_ctim.tv_nsec);
	say("open", "mtime stays: %d", a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
	must(fstat(was, &b));
	say("open", "replaced: links %ju, size %jd", (uintmax_t)b.st_nlink, (intmax_t)b.st_size);
	say("open", "replaced is read: %zd", pread(was, buf, sizeof(buf), 0));
	say("open", "replaced is written: %zd", pwrite(was, "hello", 5, 100));
	must(fstat(was, &b));
	say("open", "and has size %jd", (intmax_t)b.st_size);
	say("open", "renamed is written: %zd", pwrite(fd, "y", 1, 0));
	must(stat("g", &b));
	say("open", "the new name has size %jd", (intmax_t)b.st_size);
	close(fd);
	close(was);
}

void area_rename(void)
{
	type_by_type();
	numbers();
	directories();
	counts();
	times_and_content();
}
