/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing: each name once, while others come and go; telldir and seekdir;
 * types and numbers as stat has them.
 */
#include <dirent.h>

#include "tests/posix/posix.h"

#define MANY 3000

static void name_of(char name[static 32], const char *kind, int k)
{
	snprintf(name, 32, "%s-%05d", kind, k);
}

static int number(const char *name, const char *kind)
{
	size_t n = strlen(kind);

	return strncmp(name, kind, n) || name[n] != '-' ? -1 : atoi(name + n + 1);
}

static void fill(const char *kind, int n)
{
	char name[32];

	for (int k = 0; k < n; k++) {
		name_of(name, kind, k);
		must(make_type(name, S_IFREG));
	}
}

static void types(void)
{
	const struct dirent *e;
	struct stat st;
	int bad = 0, n = 0, dots = 0;
	DIR *d;

	for (size_t t = 0; t < n_types; t++)
		must(make_type(node_types[t].name, node_types[t].type));
	d = opendir(".");
	while ((e = readdir(d))) {
		must(lstat(e->d_name, &st));
		if (e->d_type != IFTODT(st.st_mode) && e->d_type != DT_UNKNOWN) {
			say("type", "of %s: %d", e->d_name, e->d_type);
			bad++;
		}
		if (strcmp(e->d_name, "..") && e->d_ino != st.st_ino) {
			say("number", "of %s differs", e->d_name);
			bad++;
		}
		dots += e->d_name[0] == '.';
		n++;
	}
	say("list", "entries %d, dots %d, wrong %d", n - (is_root ? 2 : 0), dots, bad);
	closedir(d);
	for (size_t t = 0; t < n_types; t++)
		clear(node_types[t].name);
}

/* Half goes and more comes while it is listed: what stays is seen once. */
static void changing(void)
{
	static char seen[MANY];
	const struct dirent *e;
	int missing = 0, twice = 0, gone = 0, made = 0, k;
	char name[32];
	DIR *d = opendir(".");

	while ((e = readdir(d))) {
		k = number(e->d_name, "stay");
		if (k >= 0)
			twice += seen[k]++ > 0;
		for (int n = 0; n < 2 && gone < MANY; n++) {
			name_of(name, "go", gone++);
			unlink(name);
		}
		if (made < MANY) {
			name_of(name, "new", made++);
			make_type(name, S_IFREG);
		}
	}
	closedir(d);
	for (k = 0; k < MANY; k++)
		missing += !seen[k];
	say("change", "missing %d, twice %d", missing, twice);
}

static void seeking(void)
{
	static long at[3 * MANY];
	static char names[3 * MANY][32];
	const struct dirent *e;
	DIR *d = opendir(".");
	int n = 0, bad = 0;

	for (;;) {
		at[n] = telldir(d);
		if (!(e = readdir(d)) || n + 1 == 3 * MANY)
			break;
		snprintf(names[n++], 32, "%.31s", e->d_name);
	}
	say("seek", "entries %d", n);
	for (int k = n - 1; k >= 0; k -= 97) {
		seekdir(d, at[k]);
		e = readdir(d);
		bad += !e || strcmp(e->d_name, names[k]);
	}
	say("seek", "wrong after seekdir: %d", bad);
	seekdir(d, at[n]);
	say("seek", "at the end: %d", readdir(d) == NULL);
	/* What is before a place may go; the place stays. */
	seekdir(d, at[n / 2]);
	for (int k = 0; k < n / 2; k += 3)
		unlink(names[k]);
	e = readdir(d);
	say("seek", "after changes before it: %d", e && !strcmp(e->d_name, names[n / 2]));
	rewinddir(d);
	say("seek", "rewound: %d", readdir(d) != NULL);
	closedir(d);
	d = opendir(".");
	seekdir(d, at[n / 2]);
	e = readdir(d);
	say("seek", "in another stream: %d", e && !strcmp(e->d_name, names[n / 2]));
	closedir(d);
}

/* New names are seen after rewinddir, and by a stream opened before them. */
static void fresh(void)
{
	DIR *d = opendir(".");
	const struct dirent *e;
	int before = 0, after = 0;

	while ((e = readdir(d)))
		before++;
	must(make_type("fresh", S_IFREG));
	rewinddir(d);
	while ((e = readdir(d)))
		after++;
	say("fresh", "seen after rewinddir: %d", after - before);
	must(unlink("fresh"));
	rewinddir(d);
	for (after = 0; readdir(d); after++)
		;
	say("fresh", "gone after unlink: %d", after - before);
	closedir(d);
}

static void emptying(void)
{
	const struct dirent *e;
	DIR *d = opendir("sub");
	char path[64];
	int left = 0;

	/* The classic rm -r: unlink as one lists. */
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "sub/%.40s", e->d_name);
		unlink(path);
	}
	rewinddir(d);
	while ((e = readdir(d)))
		left += e->d_name[0] != '.';
	closedir(d);
	say("empty", "left after unlinking in one pass: %d, rmdir %s", left, gave(rmdir("sub")));
}

void area_dir(void)
{
	types();
	must(mkdir("sub", 0755));
	must(chdir("sub"));
	fill("some", 1000);
	must(chdir(".."));
	emptying();
	fill("stay", MANY);
	fill("go", MANY);
	changing();
	fresh();
	seeking();
}
