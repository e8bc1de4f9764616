/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In step with a caller: see step.h.
 */
#include "fs/mount/step.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/base.h"
#include "fs/lib/clock.h"
#include "fs/mount/backoff.h"
#include "fs/mount/cpus.h"
#include "fs/mount/thread_stat.h"

#define SCORE_MAX 320	    /* one more for each brief request of the same caller … */
#define SCORE_IN 256
#define SCORE_OUT 192
#define STRANGER 64	    /* … so many less for one of another */
#define LONG 16		    /* … or for a long one */
#define MISSES 2	    /* requests that had to be waited for, before looking where the caller is */
#define MISSES_APART 14	    /* more before looking again, if he is where he was */
#define QUIET_TICKS 7	    /* without a request, after which to get out */
#define BEHIND_TICKS 2	    /* behind the caller */
#define APART_NS 50000000LL /* how long not to get in after it was too late, at first */

struct step {
	int fixed; /* the only processor of the worker, or -1 */
	struct cpus cpus;
	_Atomic pid_t tid; /* the worker in step; 0: none */
	struct backoff apart; /* while it lasts nobody gets in */
	/* What several workers write without order is only a guess then, and no caller alone. */
	_Atomic uint32_t pid;
	_Atomic int score;
	int missed; /* of the worker in step, as the next two */
	_Atomic int cpu;
	_Atomic uint64_t served;
	_Atomic clockid_t clock; /* the processor time of the worker in step */
	uint64_t seen;	    /* of the lookout, as the next: served when it last looked */
	unsigned int quiet; /* ticks since that changed */
	int64_t looked, ran; /* when that was, and by the clock */
	bool waits; /* then: it could run, and had not */
};

static pid_t own_tid(void)
{
	static _Thread_local pid_t tid;

	if (!tid)
		tid = gettid();
	return tid;
}

static void *there_and_back(void *ret)
{
	struct sched_param p = { 0 };

	*(bool *)ret = !sched_setscheduler(0, SCHED_IDLE, &p) && !sched_setscheduler(0, SCHED_OTHER, &p);
	return NULL;
}

/* Tried, by a thread that is not needed: capabilities in a user namespace say nothing. */
static bool may_come_back(void)
{
	pthread_t t;
	bool r = false;

	if (pthread_create(&t, NULL, there_and_back, &r))
		return false;
	pthread_join(t, NULL);
	return r;
}

/* Threads that are made by one in step are not. */
static int free_threads(void)
{
	pthread_attr_t attr;
	int r = pthread_getattr_default_np(&attr);

	if (r)
		return r;
	r = pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	if (!r)
		r = pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
	return r;
}

static bool process_may;

static void ask_process(void)
{
	process_may = may_come_back() && !free_threads();
}

struct step *step_new(int fixed)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct step *s;

	pthread_once(&once, ask_process); /* not by each lane */
	s = process_may && sched_getscheduler(0) == SCHED_OTHER ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return NULL;
	if (cpus_get(&s->cpus) < 2) {
		free(s);
		return NULL;
	}
	s->fixed = fixed;
	return s;
}

void step_free(struct step *s)
{
	free(s);
}

/* ---- into it, and out --------------------------------------------------------------- */

static void restore(const struct step *s, pid_t tid)
{
	struct sched_param p = { 0 };

	sched_setscheduler(tid, SCHED_OTHER, &p);
	if (s->fixed < 0)
		cpus_give_back(&s->cpus, tid);
}

bool step_is_in(const struct step *s)
{
	return s && atomic_load_explicit(&s->tid, memory_order_relaxed) == own_tid();
}

bool step_any(const struct step *s)
{
	return s && s->tid;
}

void step_leave(struct step *s)
{
	pid_t tid = own_tid();

	if (step_is_in(s) && atomic_compare_exchange_strong(&s->tid, &tid, 0))
		restore(s, own_tid());
}

void step_end(struct step *s, bool late)
{
	pid_t tid = s ? atomic_exchange(&s->tid, 0) : 0;
	int64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!tid)
		return;
	restore(s, tid);
	if (late)
		backoff_extend(&s->apart, now, APART_NS);
}

/* Since the last look, for most of the time. */
static bool has_not_run(struct step *s)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC), ran = clock_ns(s->clock);
	bool r = 2 * (ran - s->ran) < now - s->looked;

	s->ran = ran;
	s->looked = now;
	return r;
}

bool step_look(struct step *s)
{
	pid_t tid = s ? s->tid : 0;
	bool idle, waited = s && s->waits;
	unsigned int limit = 0;
	uint64_t served;

	if (s)
		s->waits = false;
	if (!tid)
		return false;
	served = s->served;
	s->quiet = served == s->seen ? s->quiet + 1 : 0;
	s->seen = served;
	idle = has_not_run(s);
	if (!s->quiet)
		return true;
	/* Its answer has woken the caller before it has left the kernel: then nobody waits for it. */
	if (!thread_runs(tid))
		limit = QUIET_TICKS;
	else if (thread_runs((pid_t)s->pid))
		limit = BEHIND_TICKS;
	else
		s->waits = idle; /* if it still does at the next look: we may have moved its caller to it just now */
	if (limit ? s->quiet >= limit : waited && idle)
		step_end(s, !limit);
	return true;
}

static bool run_on(const struct step *s, int cpu)
{
	return s->fixed >= 0 /* it is there */ || cpus_keep_on(&s->cpus, cpu);
}

/* From processor NOW, -1: from none. */
static void keep_from(const struct step *s, int now, int *cpu)
{
	cpu_set_t set;

	if (!s || now == *cpu)
		return;
	*cpu = now;
	set = s->cpus.all;
	if (now >= 0 && now < CPU_SETSIZE)
		CPU_CLR(now, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void step_keep_away(const struct step *s, int *cpu)
{
	keep_from(s, step_any(s) ? s->cpu : -1, cpu);
}

void step_come_back(const struct step *s, int *cpu)
{
	keep_from(s, -1, cpu);
}

static void enter(struct step *s, uint32_t pid)
{
	struct sched_param p = { 0 };
	pid_t none = 0;
	clockid_t clock = CLOCK_MONOTONIC;
	int cpu;

	if (backoff_lasts(&s->apart, clock_ns(CLOCK_MONOTONIC)) ||
	    !atomic_compare_exchange_strong(&s->tid, &none, own_tid()))
		return;
	cpu = s->fixed >= 0 ? s->fixed : thread_cpu((pid_t)pid);
	s->cpu = cpu;
	s->missed = 0;
	pthread_getcpuclockid(pthread_self(), &clock);
	s->clock = clock;
	if (!run_on(s, cpu) || sched_setscheduler(0, SCHED_IDLE, &p) < 0) {
		s->score = 0;
		step_leave(s);
	} else if (!step_is_in(s)) {
		restore(s, own_tid()); /* it was too late already */
	}
}

void step_miss(struct step *s)
{
	int cpu;

	if (!step_is_in(s) || ++s->missed < MISSES)
		return;
	cpu = thread_cpu((pid_t)s->pid);
	s->missed = cpu == s->cpu ? -MISSES_APART : 0; /* then he is just slow to ask */
	if (cpu == s->cpu)
		return;
	s->cpu = cpu;
	if (!run_on(s, cpu))
		step_leave(s);
	else if (!step_is_in(s))
		restore(s, own_tid());
}

void step_note(struct step *s, uint32_t pid, bool brief)
{
	int score;

	if (step_is_in(s))
		s->served++;
	if (!s || (!pid && brief))
		return;
	if (!pid) { /* pages go out while their writer goes on */
		atomic_store_explicit(&s->score, 0, memory_order_relaxed);
		step_leave(s);
		return;
	}
	score = atomic_load_explicit(&s->score, memory_order_relaxed);
	if (pid != atomic_load_explicit(&s->pid, memory_order_relaxed)) {
		score -= STRANGER;
		if (score <= 0)
			atomic_store_explicit(&s->pid, pid, memory_order_relaxed);
	} else {
		score += brief ? 1 : -LONG;
	}
	score = MAX(0, MIN(score, SCORE_MAX));
	atomic_store_explicit(&s->score, score, memory_order_relaxed);
	if (score < SCORE_OUT)
		step_leave(s);
	else if (score >= SCORE_IN && !step_any(s))
		enter(s, s->pid);
}
