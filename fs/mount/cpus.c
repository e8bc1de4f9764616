/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/mount/cpus.h"

#include <string.h>
#include <unistd.h>

static cpu_set_t every_cpu(void)
{
	cpu_set_t r;

	memset(&r, 0xff, sizeof(r));
	return r;
}

int cpus_get(struct cpus *ret)
{
	int n;

	if (sched_getaffinity(0, sizeof(ret->now), &ret->now) < 0)
		return 0;
	n = CPU_COUNT(&ret->now);
	ret->all = n == sysconf(_SC_NPROCESSORS_ONLN) ? every_cpu() : ret->now;
	return n;
}

bool cpus_keep_on(const struct cpus *c, int cpu)
{
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &c->all))
		return false;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

void cpus_give_back(const struct cpus *c, pid_t tid)
{
	if (sched_setaffinity(tid, sizeof(c->all), &c->all) < 0) {
		cpu_set_t every = every_cpu(); /* none of ours is left: those that are */

		sched_setaffinity(tid, sizeof(every), &every);
	}
}
