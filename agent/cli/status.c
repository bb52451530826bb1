/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include "cli/cli.h"

#define STATUS_MAX (64u << 20)
#define STATUS_TIMEOUT_S 5

struct options {
	const char *run;
	int json;
};

static int
usage(FILE *out)
{
	fputs("usage: nodeseal status [-o table|json] [--run DIR]\n\n"
	    "Asks the agent that serves this node over DIR/status.sock\n"
	    "(DIR: /run/nodeseal) and prints ExternalSecrets, stores, volumes\n"
	    "and the cache.  Never a value.  Exit status 0 when the agent is\n"
	    "ready, 3 when it is not or cannot be reached.\n", out);
	return (out == stderr ? 2 : 0);
}

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	for (int i = 0; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return (usage(stdout));
		if (i + 1 >= argc)
			return (usage(stderr));
		if (str_eq(argv[i], "--run"))
			o->run = argv[++i];
		else if (str_eq(argv[i], "-o") && (str_eq(argv[i + 1], "json")
		    || str_eq(argv[i + 1], "table")))
			o->json = str_eq(argv[++i], "json");
		else
			return (usage(stderr));
	}
	return (-1);
}

static int
ask(const char *run, struct buf *out, struct err *err)
{
	cleanup_close int fd = -1;
	cleanup_free char *path = str_fmt("%s/status.sock", run);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = STATUS_TIMEOUT_S };

	if (strlen(path) >= sizeof(un.sun_path))
		return (err_set(err, ERR_INVALID, "--run: %s: longer than a "
		    "socket's path may be", run));
	memcpy(un.sun_path, path, strlen(path));
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1 ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1) {
		err_sys(err, "%s", path);
		return (err_wrap(err, "no agent answers"));
	}
	return (file_read_fd(fd, out, err));
}

static const char *
text(const struct json *obj, const char *key)
{
	return (str_or(json_str(json_get(obj, key)), "-"));
}

static const char *
yes(const struct json *obj, const char *key)
{
	return (json_bool(json_get(obj, key), 0) ? "yes" : "no");
}

static void
age(const struct json *obj, char *out, size_t size)
{
	double s = json_num(json_get(obj, "ageSeconds"), -1);

	if (json_get(obj, "lastSync") == NULL ||
	    json_is(json_get(obj, "lastSync"), JSON_NULL) || s < 0)
		snprintf(out, size, "-");
	else if (s < 120)
		snprintf(out, size, "%.0fs", s);
	else if (s < 7200)
		snprintf(out, size, "%.0fm", s / 60);
	else if (s < 172800)
		snprintf(out, size, "%.0fh", s / 3600);
	else
		snprintf(out, size, "%.0fd", s / 86400);
}

static void
print_external_secrets(const struct json *list)
{
	const struct json *e;

	printf("\n%-36s %-5s %-8s %-5s %4s  %s\n", "EXTERNALSECRET", "READY",
	    "SOURCE", "AGE", "KEYS", "MESSAGE");
	for (e = json_first(list); e != NULL; e = json_next(e)) {
		const char *ours = json_str(json_get(e, "error"));
		char name[256], when[16];

		snprintf(name, sizeof(name), "%s/%s", text(e, "namespace"),
		    text(e, "name"));
		age(e, when, sizeof(when));
		printf("%-36s %-5s %-8s %-5s %4.0f  %s%s\n", name,
		    yes(e, "ready"), text(e, "source"), when,
		    json_num(json_get(e, "keys"), 0), text(e, "message"),
		    json_bool(json_get(e, "stale"), 0) ? " (stale)" : "");
		if (ours != NULL)
			printf("    %s\n", ours);
	}
}

static void
print_stores(const struct json *list)
{
	const struct json *s;

	printf("\n%-36s %-5s %-9s %8s %6s  %s\n", "STORE", "READY", "CIRCUIT",
	    "REQUESTS", "LOGINS", "MESSAGE");
	for (s = json_first(list); s != NULL; s = json_next(s)) {
		char name[256];

		snprintf(name, sizeof(name), "%s%s%s",
		    str_or(json_str(json_get(s, "namespace")), ""),
		    json_str(json_get(s, "namespace")) != NULL &&
		    *json_str(json_get(s, "namespace")) ? "/" : "",
		    text(s, "name"));
		printf("%-36s %-5s %-9s %8.0f %6.0f  %s\n", name,
		    yes(s, "ready"), text(s, "circuit"),
		    json_num(json_get(s, "requests"), 0),
		    json_num(json_get(s, "logins"), 0), text(s, "message"));
	}
}

static void
print_volumes(const struct json *list)
{
	const struct json *v;

	printf("\n%-24s %5s %4s  %s\n", "VOLUME OF", "FILES", "GEN", "PATH");
	for (v = json_first(list); v != NULL; v = json_next(v)) {
		char name[256];

		snprintf(name, sizeof(name), "%s/%s", text(v, "podNamespace"),
		    text(v, "pod"));
		printf("%-24s %5.0f %4.0f  %s\n", name,
		    json_num(json_get(v, "files"), 0),
		    json_num(json_get(v, "generation"), 0), text(v, "path"));
	}
}

static void
print_table(const struct json *root)
{
	const struct json *cache = json_get(root, "cache"), *d;

	printf("node %s · %s · class %s · %s · memory protection %s\n"
	    "cache %s: %.0f records, %.0f bytes\n", text(root, "node"),
	    json_bool(json_get(root, "ready"), 0) ? "ready" : "NOT READY",
	    text(root, "class"), text(root, "mode"),
	    text(root, "memoryProtection"), text(cache, "state"),
	    json_num(json_get(cache, "records"), 0),
	    json_num(json_get(cache, "bytes"), 0));
	for (d = json_first(json_get(root, "degraded")); d != NULL;
	    d = json_next(d))
		printf("degraded: %s\n", str_or(json_str(d), "-"));
	for (d = json_first(json_get(root, "files")); d != NULL;
	    d = json_next(d))
		printf("manifest: %s: %s\n", text(d, "file"),
		    text(d, "error"));
	print_external_secrets(json_get(root, "externalSecrets"));
	print_stores(json_get(root, "stores"));
	if (json_len(json_get(root, "volumes")) > 0)
		print_volumes(json_get(root, "volumes"));
}

int
cli_status(int argc, char **argv)
{
	cleanup_err struct err err = ERR_INIT;
	cleanup_buf struct buf b = BUF_PLAIN(STATUS_MAX);
	cleanup_json struct json *root = NULL;
	struct options o = { "/run/nodeseal", 0 };
	int rc;

	if ((rc = parse(argc, argv, &o)) != -1)
		return (rc);
	if (ask(o.run, &b, &err) == -1 ||
	    (root = json_parse(buf_str(&b), b.len, &err)) == NULL) {
		fprintf(stderr, "nodeseal status: %s\n", err_msg(&err));
		return (3);
	}
	if (o.json)
		printf("%s\n", buf_str(&b));
	else
		print_table(root);
	return (json_bool(json_get(root, "ready"), 0) ? 0 : 3);
}
