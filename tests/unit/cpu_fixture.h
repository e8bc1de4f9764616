/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of where threads run: the processors that one may use, and a
 * process that keeps one.
 */
#ifndef CMKFS_CPU_FIXTURE_H
#define CMKFS_CPU_FIXTURE_H

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* How many the thread TID may use, 0: the calling one. */
static inline int cpus_of(pid_t tid)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(tid, sizeof(set), &set), 0);
	return CPU_COUNT(&set);
}

/* The thread TID, 0: the calling one, uses CPU alone. */
static inline void keep_on(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(tid, sizeof(set), &set), 0);
}

/* A process on CPU, which computes or rests until end_child(). */
static inline pid_t child_on(int cpu, bool computes)
{
	pid_t pid = fork();

	if (pid) {
		assert_true(pid > 0);
		keep_on(pid, cpu); /* not by itself: in a child an assertion would go on with the tests */
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (computes)
		;
	for (;;)
		pause();
}

static inline void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
