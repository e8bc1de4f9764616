/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs that measure a lockout share: pages that say what they
 * are, commands that take access away, and a search of a process's memory.
 */
#ifndef CMKFS_TEST_REVOKE_H
#define CMKFS_TEST_REVOKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define WORDS (PAGE / sizeof(uint64_t))

/* CLOCK_MONOTONIC in ms. */
double clock_ms(void);

/*
 * Every page of a run begins with its canary: a text that occurs nowhere else,
 * and then words that follow from SEED, FILE and PAGE number.
 */
#define CANARY_LEN 32
void canary_make(uint64_t seed, char ret[CANARY_LEN + 1]);
void page_fill(uint64_t seed, uint64_t file, uint64_t page, uint8_t ret[PAGE]);
bool page_right(uint64_t seed, uint64_t file, uint64_t page, const uint8_t *p);

/* Run CMD by the shell; its exit status, -1: could not.  Times may be NULL. */
int run_command(const char *cmd, double *ret_begin, double *ret_end);

/*
 * How often NEEDLE is in the writable memory of PID; -1: cannot be read.
 * *RET_BYTES is how much was searched.
 */
long search_memory(int pid, const char *needle, uint64_t *ret_bytes);

/* "EKEYREVOKED" → number; 0: unknown. */
int errno_of(const char *name);

/* Print and exit(2). */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
