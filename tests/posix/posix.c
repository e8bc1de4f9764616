/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The permission and semantics suite: posix DIR [AREA…].  Runs in a new
 * directory of its own beneath DIR and leaves nothing there.
 */
#include "tests/posix/posix.h"

static const struct {
	const char *name;
	void (*run)(void);
} areas[] = {
	{ "open", area_open },	   { "flags", area_flags },   { "access", area_access },
	{ "sticky", area_sticky }, { "owner", area_owner },   { "rename", area_rename },
	{ "node", area_node },	   { "names", area_names },   { "time", area_time },
	{ "stamp", area_stamp },   { "acl", area_acl },	      { "xattr", area_xattr },
	{ "size", area_size },	   { "io", area_io },	      { "lock", area_lock },
	{ "dir", area_dir },	   { "held", area_held }, { "extra", area_extra },
};

static int top_fd = -1; /* where all areas run */
static const char *area_name;

const char *current_area(void)
{
	return area_name;
}

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 2;
}

static void run_area(size_t n)
{
	area_name = areas[n].name;
	must(fchdir(top_fd));
	umask(0);
	make_dir(area_name, 0777, geteuid(), getegid());
	must(chdir(area_name));
	areas[n].run();
	become(&ROOT);
	umask(0);
	must(fchdir(top_fd));
	clear(area_name);
	if (exists(area_name))
		say("left", "something");
}

int main(int argc, char **argv)
{
	char top[] = "posix.XXXXXX";

	if (argc < 2) {
		fprintf(stderr, "usage: posix DIR [AREA...]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 1 << 16);
	is_root = geteuid() == 0;
	n_types = is_root ? 7 : 5;
	must(chdir(argv[1]));
	if (!mkdtemp(top))
		die("mkdtemp", __FILE__, __LINE__);
	must(chmod(top, 0755));
	top_fd = must(open(top, O_RDONLY | O_DIRECTORY));
	for (size_t n = 0; n < ARRAY_SIZE(areas); n++)
		if (wanted(argc, argv, areas[n].name))
			run_area(n);
	must(chdir(argv[1][0] == '/' ? argv[1] : ".."));
	must(rmdir(top));
	return 0;
}
