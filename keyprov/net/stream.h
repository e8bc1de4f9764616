/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS connection for protocols that are not HTTP, with the rules of http.h:
 * certificates always verified, deadlines kept, no SIGPIPE.  One thread at a
 * time; made after the fork of the daemon.
 */
#ifndef CMKFS_NET_STREAM_H
#define CMKFS_NET_STREAM_H

#include "http.h"

struct stream;

/*
 * To URL ("https://HOST:PORT"), not connected yet.  OPT: files and connect_to.
 * 0; -EAGAIN, -EIO as http_new().
 */
int stream_new(const char *url, const struct http_options *opt, struct stream **ret,
	       struct kp_error *e);
void stream_free(struct stream *s); /* NULL-safe */

/*
 * Connect, within MS, unless there is a connection with nothing to be received:
 * what came without a question is dropped, with its connection.  0; -EAGAIN,
 * -EPROTO, -EIO, as http_call().
 */
int stream_open(struct stream *s, int64_t ms, struct kp_error *e);
/* End the connection; the next stream_open() makes another. */
void stream_close(struct stream *s);
bool stream_is_open(const struct stream *s);

/* Exactly N bytes, within MS; not without stream_open().  0; -EAGAIN: too slow, or it ended. */
int stream_send(struct stream *s, const void *p, size_t n, int64_t ms, struct kp_error *e);
int stream_receive(struct stream *s, void *p, size_t n, int64_t ms, struct kp_error *e);

#endif
