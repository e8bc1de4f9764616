/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leader and followers over a pair of sockets that stands for the device:
 * every request is taken once, a busy leader holds nobody up, and an idle set
 * of threads costs nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/lib/clock.h"
#include "fs/mount/leader.h"
#include "cpu_fixture.h"

#define THREADS 4
#define BUSY 0xffffffffu /* a request whose handling takes long without saying so */
#define BUSY_MS 300

struct crew {
	int client, device;
	struct leader *leader;
	pthread_t thread[THREADS];
	_Atomic bool stop, done[THREADS];
	_Atomic unsigned int taken[1 << 16]; /* by number of the request */
	_Atomic unsigned int all;
};

static void nap(unsigned int ms)
{
	usleep(ms * 1000);
}

static void *serve(void *arg)
{
	struct crew *c = arg;
	unsigned int me = atomic_fetch_add(&c->all, 1);
	uint32_t request;

	while (!c->stop) {
		ssize_t n = leader_receive(c->leader, (uint8_t *)&request, sizeof(request));

		if (n < 0 && errno != EINTR)
			break;
		if (n != sizeof(request))
			continue;
		leader_note(c->leader, 1 + request % 3, true);
		if (request == BUSY)
			nap(BUSY_MS);
		else
			c->taken[request]++;
	}
	leader_leave(c->leader);
	c->done[me] = true;
	return NULL;
}

static void on_wake(int sig)
{
	(void)sig;
}

static struct crew crew;

static int start(void **state)
{
	struct sigaction sa = { .sa_handler = on_wake };
	int fd[2];

	(void)state;
	sigaction(SIGUSR1, &sa, NULL);
	memset(&crew, 0, sizeof(crew));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd))
		return -1;
	crew.client = fd[0];
	crew.device = fd[1];
	if (leader_new(crew.device, THREADS, &crew.leader))
		return -1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&crew.thread[i], NULL, serve, &crew))
			return -1;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	crew.stop = true;
	leader_stop(crew.leader);
	for (int i = 0; i < THREADS; i++) {
		while (pthread_tryjoin_np(crew.thread[i], NULL)) {
			pthread_kill(crew.thread[i], SIGUSR1);
			nap(1);
		}
	}
	leader_free(crew.leader);
	close(crew.client);
	close(crew.device);
	return 0;
}

static void send_request(uint32_t request)
{
	assert_int_equal(write(crew.client, &request, sizeof(request)), sizeof(request));
}

static bool taken_within(uint32_t request, unsigned int ms)
{
	for (unsigned int i = 0; i < ms && !crew.taken[request]; i++)
		nap(1);
	return crew.taken[request];
}

static void every_request_is_taken_once(void **state)
{
	const uint32_t n = 1 << 16;

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		send_request(i);
	assert_true(taken_within(n - 1, 5000));
	nap(20);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(crew.taken[i], 1);
}

static void a_leader_that_is_held_up_holds_up_nobody(void **state)
{
	(void)state;
	for (uint32_t i = 0; i + 1 < THREADS; i++) { /* one after the other gets stuck */
		send_request(BUSY);
		nap(5);
		send_request(i);
		assert_true(taken_within(i, BUSY_MS / 3));
	}
}

static void the_same_after_a_while_of_nothing(void **state)
{
	(void)state;
	nap(200); /* the lookout has gone to sleep by now */
	send_request(BUSY);
	send_request(1);
	assert_true(taken_within(1, BUSY_MS / 2));
}

static void requests_that_take_long_are_handled_side_by_side(void **state)
{
	uint64_t begin = clock_ms();

	(void)state;
	for (int i = 0; i + 1 < THREADS; i++)
		send_request(BUSY);
	send_request(7);
	assert_true(taken_within(7, 2 * BUSY_MS));
	/* one after the other would be (THREADS - 1) × BUSY_MS */
	assert_true(clock_ms() - begin < (THREADS - 2) * BUSY_MS);
}

static void waiting_for_nothing_costs_nothing(void **state)
{
	int64_t begin;

	(void)state;
	send_request(1);
	assert_true(taken_within(1, 1000));
	nap(100);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	nap(500);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin < 5000000);
}

static void *sends_later(void *ret)
{
	nap(200);
	*(int *)ret = cpus_of(getpid());
	send_request(1);
	return NULL;
}

static void who_is_at_home_leaves_before_it_waits(void **state)
{
	int fd[2], all = cpus_of(0), meanwhile = 0;
	uint32_t request = 0;
	struct leader *l;
	pthread_t t;

	(void)state;
	if (all < 2) {
		print_message("one processor: nobody ever at home\n");
		skip();
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	assert_int_equal(leader_new(fd[1], (unsigned int)all, &l), 0);
	crew.client = fd[0];
	for (; request < 4000 && cpus_of(0) > 1; request++) {
		uint32_t got;

		send_request(request);
		assert_int_equal(leader_receive(l, (uint8_t *)&got, sizeof(got)), sizeof(got));
		assert_int_equal(got, request);
		leader_note(l, 1 + request % 3, true);
	}
	assert_int_equal(cpus_of(0), 1);
	assert_int_equal(pthread_create(&t, NULL, sends_later, &meanwhile), 0);
	assert_int_equal(leader_receive(l, (uint8_t *)&request, sizeof(request)), sizeof(request));
	pthread_join(t, NULL);
	assert_int_equal(meanwhile, all);
	assert_int_equal(cpus_of(0), all);
	leader_leave(l);
	leader_free(l);
	close(fd[0]);
	close(fd[1]);
}

static void a_stop_ends_every_wait(void **state)
{
	(void)state;
	nap(20);
	stop(NULL);
	for (int i = 0; i < THREADS; i++)
		assert_true(crew.done[i]);
	start(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_request_is_taken_once, start, stop),
		cmocka_unit_test_setup_teardown(a_leader_that_is_held_up_holds_up_nobody, start,
						stop),
		cmocka_unit_test_setup_teardown(the_same_after_a_while_of_nothing, start, stop),
		cmocka_unit_test_setup_teardown(requests_that_take_long_are_handled_side_by_side,
						start, stop),
		cmocka_unit_test_setup_teardown(waiting_for_nothing_costs_nothing, start, stop),
		cmocka_unit_test(who_is_at_home_leaves_before_it_waits),
		cmocka_unit_test_setup_teardown(a_stop_ends_every_wait, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
