/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load of fs/bench for bench.py: load NAME PATH [AMOUNT [THREADS [SEED]]]
 * prints its figure.
 */
#include <stdio.h>

#include "fs/bench/load.h"

int main(int argc, char **argv)
{
	const struct load *l = argc > 2 ? load_named(argv[1]) : NULL;
	struct load_args a = { .threads = 1 };
	double figure;
	int r;

	if (!l || argc > 6) {
		fprintf(stderr, "usage: load NAME PATH [AMOUNT [THREADS [SEED]]], NAME of:\n");
		for (l = loads; l->name; l++)
			fprintf(stderr, "  %-10s %-6s %s\n", l->name, l->unit, l->what);
		return 2;
	}
	a.path = argv[2];
	if (argc > 3)
		a.amount = atof(argv[3]);
	if (argc > 4)
		a.threads = (unsigned int)atoi(argv[4]);
	if (argc > 5)
		a.seed = (uint64_t)atoll(argv[5]);
	r = l->run(&a, &figure);
	if (r) {
		fprintf(stderr, "load: %s: %s: %s\n", l->name, a.path, strerror(-r));
		return 1;
	}
	printf("%.4f\n", figure);
	return 0;
}
