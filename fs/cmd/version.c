/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs version`: the program's and the format's version, and what it was
 * built with.
 */
#include <fuse_lowlevel.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>

#include "fs/lib/cmd.h"
#include "fs/lib/table.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "version", .heading = "cmkfs" },     { .key = "format", .heading = "format" },
	{ .key = "providers", .heading = "providers" }, { .key = "fuse", .heading = "libfuse" },
	{ .key = "openssl", .heading = "OpenSSL" },   { .key = "sqlite", .heading = "SQLite" },
	{ .key = "compiler", .heading = "compiler" },
};

static json_t *providers(void)
{
	json_t *a = json_array();

	for (const struct kp_ops *const *p = kp_providers; *p; p++)
		json_array_append_new(a, json_string((*p)->name));
	return a;
}

static int run(const struct cmd *c)
{
	char format[32];
	json_t *o;

	(void)c;
	snprintf(format, sizeof(format), "%d%s", FORMAT_VERSION,
		 FORMAT_DRAFT & 0x8000 ? " (draft)" : "");
	o = json_pack("{ss ss so ss ss ss ss}", "version", CMKFS_VERSION, "format", format, "providers",
		      providers(), "fuse", fuse_pkgversion(), "openssl",
		      OpenSSL_version(OPENSSL_VERSION_STRING), "sqlite", sqlite3_libversion(),
		      "compiler", __VERSION__);
	return table_record(stdout, o, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

const struct verb verb_version = {
	.name = "version",
	.args = "",
	.summary = "Print the version and what it was built with",
	.opts = opts,
	.run = run,
};
