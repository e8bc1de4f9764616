/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In step: where one caller asks for one thing after the other, a single worker
 * serves him on his own processor, so that neither is ever woken on another.
 * To wake an idle processor costs more than most requests, above all in a
 * virtual machine.
 *
 * The worker has SCHED_IDLE meanwhile.  For the kernel a processor on which
 * nothing else runs is as good as idle, and so the caller, when he is woken by
 * the answer, stays where he is; and he goes before the worker at once.
 * Anybody else who wants that processor would go before it, too, and those
 * who wait for a lock that it holds with it: a thread that looks out sees that
 * (step_look()); where there is none, nobody may be in step.
 *
 * It needs CAP_SYS_NICE of the machine to come back from SCHED_IDLE: mounts of
 * root.
 */
#ifndef CMKFS_MOUNT_STEP_H
#define CMKFS_MOUNT_STEP_H

#include <stdbool.h>
#include <stdint.h>

struct step;

/*
 * How often to look.  Where the lookout is awake a caller that is woken then is
 * sometimes moved beside it: more often costs more of that than it saves others.
 */
#define STEP_TICK_NS 3000000

/*
 * FIXED: the processor that the worker is kept on by others, where all who ask
 * it are; -1: it goes where they are.
 * NULL if it may not be, or would be of no use.  All functions take NULL for never in step.
 */
struct step *step_new(int fixed);
void step_free(struct step *s);

/*
 * The calling thread is about to handle a request of PID (0: the kernel's own),
 * BRIEF or not: perhaps it gets into step with him, or out of it.
 */
void step_note(struct step *s, uint32_t pid, bool brief);
/* Whether the calling thread is in step. */
bool step_is_in(const struct step *s);
/*
 * There is no request yet: if the calling thread is in step, the caller is
 * perhaps on another processor by now, since on the same one he goes first.
 */
void step_miss(struct step *s);
/* The calling thread gets out of it, if it is in: before it waits for long. */
void step_leave(struct step *s);

/* Whether any thread is in step. */
bool step_any(const struct step *s);
/*
 * Once a tick, STEP_TICK_NS, by one thread: bring out who is in step and could
 * run, and has not, while its caller waits, as if by step_end(), late; or has
 * had nothing to do for some ticks.
 * False: nobody was in step.
 */
bool step_look(struct step *s);
/*
 * The calling thread, which is not in step, runs on other processors than who
 * is: it would drive the caller away.  *CPU is -1 at first; when there is nobody
 * any more, it runs everywhere again.
 */
void step_keep_away(const struct step *s, int *cpu);
/* The same where nobody looks out any more, whoever is in step. */
void step_come_back(const struct step *s, int *cpu);
/* Whoever is in step does not come to run: out; LATE: somebody waits for it, so not in again for some time. */
void step_end(struct step *s, bool late);

#endif
